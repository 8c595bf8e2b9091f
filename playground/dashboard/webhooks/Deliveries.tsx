// The log of deliveries: newest first, filtered by what stands in the URL, and sent again one by one or together.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import Send from 'lucide-react/icons/send';
import { useState } from 'react';
import { useReadOnly } from '../api/access';
import { request } from '../api/client';
import { live } from '../api/live';
import { DELIVERIES, DELIVERY_COUNTS } from '../api/operations';
import { DELIVERY_STATUSES, type Delivery as Listed, type Endpoint, type PageInfo, WEBHOOK_EVENTS, type WebhookEvent } from '../api/types';
import { capped, word } from '../lib/format';
import { type Period, PERIODS } from '../lib/periods';
import { useStore } from '../lib/store';
import { Action, Button, Empty, Skeleton, Trouble } from '../ui/basics';
import { Delivery } from './Delivery';
import { ResendAll } from './ResendAll';
import { useFilter, type WebhooksSearch } from './search';

interface Page {
  nodes: Listed[];
  pageInfo: PageInfo;
}

const TABS = ['ALL', ...DELIVERY_STATUSES] as const;
const EVERY_MS = 5000;

export function Deliveries({ endpoints }: { endpoints: Endpoint[] | undefined }) {
  const search = useSearch({ from: '/webhooks' });
  const navigate = useNavigate({ from: '/webhooks' });
  const readOnly = useReadOnly();
  const { paused } = useStore(live);
  const filter = useFilter(search);
  const [resending, setResending] = useState(false);
  const change = (next: Partial<WebhooksSearch>) => void navigate({ search: (before: WebhooksSearch) => ({ ...before, ...next }) });
  const list = useInfiniteQuery({
    queryKey: ['webhooks', 'deliveries', filter],
    queryFn: async ({ pageParam, signal }): Promise<Page> =>
      (await request<{ webhookDeliveries: Page }>(DELIVERIES, { filter, first: 50, after: pageParam }, signal)).webhookDeliveries,
    initialPageParam: null as string | null,
    getNextPageParam: (page) => (page.pageInfo.hasNextPage ? page.pageInfo.endCursor : undefined),
    // Tries are told of by no subscription. Who has gone on to older pages is not disturbed.
    refetchInterval: ({ state }) => (paused || (state.data?.pages.length ?? 1) > 1 ? false : EVERY_MS),
  });
  const { status: _status, ...anyStatus } = filter;
  const counts = useQuery({
    queryKey: ['webhooks', 'counts', anyStatus],
    queryFn: ({ signal }) =>
      request<Record<string, { totalCount: number }>>(
        DELIVERY_COUNTS,
        { ALL: anyStatus, ...Object.fromEntries(DELIVERY_STATUSES.map((each) => [each, { ...anyStatus, status: [each] }])) },
        signal,
      ),
    placeholderData: (before) => before,
    refetchInterval: paused ? false : EVERY_MS,
  });
  const current = search.status ?? 'ALL';
  const rows = list.data?.pages.flatMap((page) => page.nodes);
  const failed = counts.data?.FAILED?.totalCount;
  const isFiltered = Object.values(search).some((each) => each !== undefined);
  const select = 'field w-auto! min-w-0 grow sm:grow-0';
  return (
    <section aria-label="Deliveries">
      <div className="mb-2 flex flex-wrap items-center justify-between gap-2">
        <h2 className="text-base font-semibold">Deliveries</h2>
        <Action why={readOnly ? 'Your key may only read' : failed === 0 ? 'None of these have failed' : null} onClick={() => setResending(true)}>
          <Send aria-hidden className="size-4" /> Resend all failed…
        </Action>
      </div>
      <nav aria-label="Status of deliveries" className="mb-3 flex gap-1 overflow-x-auto border-b border-line">
        {TABS.map((tab) => (
          <button
            key={tab}
            type="button"
            aria-current={tab === current ? 'true' : undefined}
            className={`-mb-px flex items-center gap-1.5 border-b-2 px-2.5 py-2 whitespace-nowrap ${tab === current ? 'border-accent font-semibold' : 'border-transparent text-soft hover:text-ink'}`}
            onClick={() => change({ status: tab === 'ALL' ? undefined : tab })}
          >
            {word(tab)}
            <span className="min-w-5 rounded-full bg-raised px-1.5 text-center text-xs font-normal text-soft tabular-nums">{counts.data?.[tab] ? capped(counts.data[tab].totalCount) : '·'}</span>
          </button>
        ))}
      </nav>
      <search className="mb-3 flex flex-wrap gap-2">
        {endpoints && (
          <select aria-label="Endpoint" className={`${select} sm:max-w-72`} value={search.endpoint ?? ''} onChange={(event) => change({ endpoint: event.target.value || undefined })}>
            <option value="">Any endpoint</option>
            {endpoints.map((each) => (
              <option key={each.id} value={each.id}>
                {each.url.slice(0, 80)}
              </option>
            ))}
          </select>
        )}
        <select aria-label="Event" className={select} value={search.event ?? ''} onChange={(event) => change({ event: (event.target.value || undefined) as WebhookEvent | undefined })}>
          <option value="">Any event</option>
          {WEBHOOK_EVENTS.map((each) => (
            <option key={each} value={each}>
              {word(each)}
            </option>
          ))}
        </select>
        <select aria-label="Period" className={select} value={search.period ?? ''} onChange={(event) => change({ period: (event.target.value || undefined) as Period | undefined })}>
          <option value="">Any time</option>
          {Object.entries(PERIODS).map(([name, label]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
      </search>
      <Trouble error={list.error ?? (list.failureReason as Error | null)} dataFrom={list.dataUpdatedAt} retry={() => list.refetch()} />
      <div className="card overflow-hidden">
        {!rows ? (
          list.error ? (
            <Empty title="The deliveries could not be read" />
          ) : (
            <Skeleton rows={6} />
          )
        ) : rows.length === 0 ? (
          isFiltered ? (
            <Empty title="No delivery matches">
              <Button onClick={() => void navigate({ search: {} })}>Clear filters</Button>
            </Empty>
          ) : (
            <Empty title="No deliveries yet">
              <p>One is made for each endpoint when a job ends with an event that it listens to.</p>
            </Empty>
          )
        ) : (
          <ul className="divide-y divide-line">
            {rows.map((each) => (
              <Delivery key={each.id} delivery={each} withJob />
            ))}
          </ul>
        )}
      </div>
      {rows && rows.length > 0 && (
        <div className="flex items-center justify-center gap-3 py-4 text-soft">
          <span>{list.hasNextPage ? `The ${rows.length.toLocaleString('en')} newest` : rows.length === 1 ? 'The only delivery' : `All ${rows.length.toLocaleString('en')} deliveries`}</span>
          {list.hasNextPage && (
            <Button disabled={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
              {list.isFetchingNextPage ? 'Loading…' : 'Load 50 more'}
            </Button>
          )}
        </div>
      )}
      {resending && <ResendAll filter={anyStatus} period={search.period} onClose={() => setResending(false)} />}
    </section>
  );
}
