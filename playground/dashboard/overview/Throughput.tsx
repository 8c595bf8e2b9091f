import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { request } from '../api/client';
import { live } from '../api/live';
import { THROUGHPUT } from '../api/operations';
import type { Throughput as Answer } from '../api/types';
import { preferences } from '../lib/preferences';
import { useStore } from '../lib/store';
import { Skeleton, Trouble } from '../ui/basics';
import { Chart } from './Chart';
import { Panel } from './Panel';
import { NAMES, type OverviewSearch, type Period, PERIODS } from './search';
import { ended, nothing, summary } from './words';

const REFRESH_MS = 5000;

function Switch({ period }: { period: Period }) {
  const navigate = useNavigate({ from: '/' });
  return (
    <div role="group" aria-label="Period" className="flex gap-1">
      {NAMES.map((each) => (
        <button
          key={each}
          type="button"
          aria-pressed={each === period}
          title={`The last ${PERIODS[each].words}`}
          onClick={() => void navigate({ search: { period: each === '1h' ? undefined : each }, replace: true, resetScroll: false })}
          className="rounded-md border border-transparent px-2 py-0.5 text-soft hover:bg-raised hover:text-ink aria-pressed:border-edge aria-pressed:bg-tint aria-pressed:font-medium aria-pressed:text-accent"
        >
          {each.replace(/(\d+)/, '$1 ')}
        </button>
      ))}
    </div>
  );
}

export function Throughput() {
  const { period: asked = '1h' }: OverviewSearch = useSearch({ from: '/' });
  const { zone } = useStore(preferences);
  const { paused } = useStore(live);
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['throughput', asked],
    queryFn: async ({ signal }) => (await request<{ throughput: Answer }>(THROUGHPUT, { period: PERIODS[asked].constant }, signal)).throughput,
    // The server counts every few seconds: an event that arrives says nothing of what it has counted.
    refetchInterval: paused ? false : REFRESH_MS,
    placeholderData: keepPreviousData,
  });
  // While another period is on its way, the last one is shown.
  const period = NAMES.find((each) => PERIODS[each].stepSeconds === data?.stepSeconds) ?? asked;
  return (
    <Panel title="Throughput" more={<Switch period={asked} />}>
      <div className="px-4 py-3">
        <Trouble error={error} dataFrom={data ? dataUpdatedAt : 0} retry={() => refetch()} />
        {!data ? (
          error ? null : <Skeleton rows={7} />
        ) : ended(data.points) === 0 ? (
          <p className="text-soft" data-testid="throughput">
            {nothing(data.points, period)}
          </p>
        ) : (
          <>
            <Chart points={data.points} period={period} />
            <p data-testid="throughput">{summary(data.points, period, zone)}</p>
          </>
        )}
      </div>
    </Panel>
  );
}
