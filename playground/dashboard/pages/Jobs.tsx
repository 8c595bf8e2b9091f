import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import ArrowUp from 'lucide-react/icons/arrow-up';
import Plus from 'lucide-react/icons/plus';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useReadOnly } from '../api/access';
import { request } from '../api/client';
import { COUNTS, JOBS } from '../api/operations';
import { cache, changes, type JobsPage, refresh } from '../api/queries';
import { type JobRow, STATUSES } from '../api/types';
import { act, ACTION_NAMES, ACTIONS, type ActionName, BulkDialog, type BulkFilter, whyNot } from '../jobs/actions';
import { AddJob } from '../jobs/AddJob';
import { isFiltered, type JobsSearch, matches, useFilter } from '../jobs/filter';
import { Filters } from '../jobs/Filters';
import { NothingYet } from '../jobs/NothingYet';
import { Row } from '../jobs/Row';
import { capped, plural, word } from '../lib/format';
import { useHotkeys } from '../lib/hotkeys';
import { Action, Button, Empty, Skeleton, Trouble, say } from '../ui/basics';
import { LOOK } from '../ui/status';

const TABS = ['ALL', ...STATUSES] as const;

/** Jobs that match and came after the list was asked for. They wait for the reader: rows never move by themselves. */
function useNewcomers(rows: JobRow[] | undefined, filter: ReturnType<typeof useFilter>) {
  const [ids, setIds] = useState<ReadonlySet<string>>(new Set());
  const listed = useMemo(() => new Set(rows?.map((row) => row.id)), [rows]);
  useEffect(() => setIds(new Set()), [filter]);
  useEffect(
    () =>
      changes.subscribe(() => {
        if (!rows) return;
        const fresh = changes.get().filter((each) => !listed.has(each.job.id) && matches(each.job, filter));
        const newest = rows[0]?.createdAt ?? '';
        const came = fresh.filter((each) => each.job.createdAt >= newest || filter.status);
        if (came.length === 0) return;
        if (rows.length === 0) refresh(['jobs'], 300);
        else setIds((known) => (known.size > 10_000 ? known : new Set([...known, ...came.map((each) => each.job.id)])));
      }),
    [rows, listed, filter],
  );
  const missing = useMemo(() => [...ids].filter((id) => !listed.has(id)).length, [ids, listed]);
  return [missing, () => setIds(new Set())] as const;
}

export function Jobs() {
  const search = useSearch({ from: '/jobs' });
  const navigate = useNavigate({ from: '/jobs' });
  const filter = useFilter(search);
  const readOnly = useReadOnly();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [everything, setEverything] = useState<string | null>(null);
  const [bulk, setBulk] = useState<{ action: ActionName; filter: BulkFilter } | null>(null);
  const [adding, setAdding] = useState(false);

  const list = useInfiniteQuery({
    queryKey: ['jobs', filter],
    queryFn: async ({ pageParam, signal }): Promise<JobsPage> =>
      (await request<{ jobs: JobsPage }>(JOBS, { ...filter, first: 50, after: pageParam }, signal)).jobs,
    initialPageParam: null as string | null,
    getNextPageParam: (page) => (page.pageInfo.hasNextPage ? page.pageInfo.endCursor : undefined),
    // What was shown before is still in the cache: Back finds it, and the place it was scrolled to.
    refetchOnMount: true,
  });
  const { status: _status, ...anyStatus } = filter;
  const counts = useQuery({
    queryKey: ['counts', anyStatus],
    queryFn: ({ signal }) => request<Record<string, { totalCount: number }>>(COUNTS, anyStatus, signal),
    placeholderData: (before) => before,
  });
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.nodes), [list.data]);
  const [newcomers, forget] = useNewcomers(rows, filter);

  useEffect(() => {
    setSelected(new Set());
    setEverything(null);
  }, [filter]);

  const change = (next: Partial<JobsSearch>) => void navigate({ search: (before: JobsSearch) => ({ ...before, ...next }) });
  const select = useCallback((id: string) => {
    setEverything(null);
    setSelected((known) => {
      const next = new Set(known);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const onPage = rows?.filter((row) => selected.has(row.id)) ?? [];
  const allOnPage = Boolean(rows?.length) && onPage.length === rows!.length;

  async function selectEverything() {
    // The cut-off is the newest job by the server's own clock: what is created from now on is later.
    const { jobs } = await request<{ jobs: JobsPage }>(JOBS, { ...filter, first: 1 });
    const newest = jobs.nodes[0]?.createdAt;
    if (newest) setEverything(new Date(Date.parse(newest) + 1).toISOString());
  }
  function showNew() {
    forget();
    void cache.resetQueries({ queryKey: ['jobs', filter] });
    window.scrollTo({ top: 0 });
  }
  function focused() {
    const id = document.activeElement?.closest<HTMLElement>('[data-job]')?.dataset.job;
    return rows?.find((row) => row.id === id);
  }
  function move(step: number) {
    const links = [...document.querySelectorAll<HTMLElement>('[data-job-link]')];
    const at = links.findIndex((each) => each.closest('[data-job]')?.contains(document.activeElement));
    links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  }
  const tryTo = (...actions: ActionName[]) => {
    const job = focused();
    if (!job) return;
    const action = actions.find((each) => whyNot(each, job.status, readOnly) === null);
    if (action) act(action, job);
    else say(whyNot(actions[0], job.status, readOnly) ?? '', true);
  };
  useHotkeys({
    '/': () => document.getElementById('search')?.focus(),
    n: () => !readOnly && setAdding(true),
    j: () => move(1),
    k: () => move(-1),
    x: () => {
      const job = focused();
      if (job) select(job.id);
    },
    r: () => tryTo('retry', 'run'),
    c: () => tryTo('cancel'),
  });

  const current = search.status ?? 'ALL';
  const matching = counts.data?.[current]?.totalCount;
  return (
    <>
      <div className="mb-3 flex items-center justify-between gap-2">
        <h1 className="text-lg font-semibold">Jobs</h1>
        <Action kind="solid" why={readOnly ? 'Your key may only read' : null} onClick={() => setAdding(true)}>
          <Plus aria-hidden className="size-4" /> New job
        </Action>
      </div>
      <nav aria-label="Status" className="mb-3 flex gap-1 overflow-x-auto border-b border-line">
        {TABS.map((tab) => {
          const count = counts.data?.[tab]?.totalCount;
          const look = tab === 'ALL' ? null : LOOK[tab];
          const isCurrent = tab === current;
          return (
            <button
              key={tab}
              type="button"
              aria-current={isCurrent ? 'true' : undefined}
              className={`-mb-px flex items-center gap-1.5 border-b-2 px-2.5 py-2 whitespace-nowrap ${isCurrent ? 'border-accent font-semibold' : 'border-transparent text-soft hover:text-ink'}`}
              onClick={() => change({ status: tab === 'ALL' ? undefined : tab })}
            >
              {look && <look.Icon aria-hidden className={`size-4 ${look.colour}`} />}
              {word(tab)}
              <span className="min-w-5 rounded-full bg-raised px-1.5 text-center text-xs font-normal text-soft tabular-nums">{count === undefined ? '·' : capped(count)}</span>
            </button>
          );
        })}
      </nav>
      <Filters search={search} change={change} />
      <Trouble error={list.error ?? (list.failureReason as Error | null)} dataFrom={list.dataUpdatedAt} retry={() => list.refetch()} />

      {onPage.length > 0 && (
        <div className="card sticky top-14 z-20 mb-3 flex flex-wrap items-center gap-2 border-accent px-3 py-2 shadow-md" role="region" aria-label="Selection">
          <span className="font-medium">
            {everything ? `All ${matching === undefined ? '' : `${capped(matching)} `}that match, up to now` : `${plural(onPage.length, 'job')} selected`}
          </span>
          {allOnPage && !everything && list.hasNextPage && (
            <Action kind="bare" className="text-accent!" why={search.q ? 'A search cannot be acted on as a whole: filter by exact task or tag' : null} onClick={selectEverything}>
              Select all {matching === undefined ? '' : `${capped(matching)} `}that match
            </Action>
          )}
          <span className="grow" />
          {ACTION_NAMES.map((action) => {
            const { Icon, label } = ACTIONS[action];
            const usable = everything ? !readOnly : onPage.some((row) => whyNot(action, row.status, readOnly) === null);
            return (
              <Action
                key={action}
                kind={action === 'delete' ? 'danger' : 'plain'}
                why={usable ? null : readOnly ? 'Your key may only read' : `None of these can: ${label.toLowerCase()}`}
                onClick={() => {
                  const { search: _search, ...plain } = filter;
                  setBulk({ action, filter: everything ? { ...plain, createdBefore: everything } : { ids: onPage.map((row) => row.id) } });
                }}
              >
                <Icon aria-hidden className="size-4" />
                {label}
              </Action>
            );
          })}
          <Button
            kind="bare"
            onClick={() => {
              setSelected(new Set());
              setEverything(null);
            }}
          >
            Clear
          </Button>
        </div>
      )}
      {newcomers > 0 && (
        <div className="sticky top-16 z-10 flex h-0 justify-center">
          <Button kind="solid" className="h-8 -translate-y-1 rounded-full! shadow-lg" onClick={showNew}>
            <ArrowUp aria-hidden className="size-4" /> {capped(newcomers)} {newcomers === 1 ? 'new job' : 'new jobs'}
          </Button>
        </div>
      )}

      <div className="card overflow-hidden">
        {!rows ? (
          list.error ? (
            <Empty title="The jobs could not be read" />
          ) : (
            <Skeleton rows={10} />
          )
        ) : rows.length === 0 ? (
          isFiltered(search) ? (
            <Empty title="No job matches">
              <Button onClick={() => void navigate({ search: {} })}>Clear filters</Button>
            </Empty>
          ) : (
            <NothingYet />
          )
        ) : (
          <table className="w-full table-auto">
            <thead>
              <tr className="bg-raised">
                <th className="w-9 py-2 pl-3 text-left">
                  <input
                    type="checkbox"
                    className="size-4 accent-solid"
                    aria-label="Select every job listed"
                    checked={allOnPage}
                    ref={(box) => {
                      if (box) box.indeterminate = onPage.length > 0 && !allOnPage;
                    }}
                    onChange={() => {
                      setEverything(null);
                      setSelected(allOnPage ? new Set() : new Set(rows.map((row) => row.id)));
                    }}
                  />
                </th>
                <th className="th">Status</th>
                <th className="th md:w-[30%]">Task</th>
                <th className="th hidden w-[40%] lg:table-cell">Payload</th>
                <th className="th hidden md:table-cell">Priority</th>
                <th className="th hidden text-right! md:table-cell">Attempt</th>
                <th className="th hidden text-right! sm:table-cell">Created</th>
                <th className="th hidden text-right! sm:table-cell">Took</th>
                <th className="th hidden sm:table-cell">
                  <span className="sr-only">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((job) => (
                <Row key={job.id} job={job} selected={selected.has(job.id)} onSelect={select} />
              ))}
            </tbody>
          </table>
        )}
      </div>
      {rows && rows.length > 0 && (
        <div className="flex items-center justify-center gap-3 py-4 text-soft">
          <span>
            {list.hasNextPage ? `The ${rows.length.toLocaleString('en')} newest` : `All ${plural(rows.length, 'job')}`}
          </span>
          {list.hasNextPage && (
            <Button disabled={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
              {list.isFetchingNextPage ? 'Loading…' : 'Load 50 more'}
            </Button>
          )}
        </div>
      )}
      {adding && <AddJob onClose={() => setAdding(false)} />}
      {bulk && (
        <BulkDialog
          {...bulk}
          onClose={() => setBulk(null)}
          onDone={() => {
            setBulk(null);
            setSelected(new Set());
            setEverything(null);
          }}
        />
      )}
    </>
  );
}
