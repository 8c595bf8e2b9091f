import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import CircleCheck from 'lucide-react/icons/circle-check';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import { lazy, type ReactNode, Suspense } from 'react';
import { request } from '../api/client';
import { live } from '../api/live';
import { OVERVIEW } from '../api/operations';
import { type Endpoint, type JobRow, type ListedTask, type Schedule, type Stats, STATUSES, type Worker } from '../api/types';
import { NothingYet } from '../jobs/NothingYet';
import { duration, plural, word } from '../lib/format';
import { useNow } from '../lib/now';
import { useStore } from '../lib/store';
import { Panel } from '../overview/Panel';
import { type Pausable, PauseButton } from '../tasks/PauseButton';
import { TaskList } from '../tasks/TaskList';
import { useWaiting } from '../tasks/useWaiting';
import { Age, Skeleton, Trouble } from '../ui/basics';
import { LOOK } from '../ui/status';
import { useEndpoints } from '../webhooks/useEndpoints';

interface Answer {
  version: string;
  jobStats: Stats;
  workers: Worker[];
  schedules: Schedule[];
  tasks: ListedTask[];
  failures: { nodes: JobRow[] };
}

const Throughput = lazy(() =>
  import('../overview/Throughput').then(
    (module) => ({ default: module.Throughput }),
    () => ({ default: NoChart }),
  ),
);

const SILENT_MS = 30_000;
const LONG_WAIT_SECONDS = 60;

const Nothing = ({ children }: { children: ReactNode }) => <p className="px-4 py-4 text-soft">{children}</p>;

const NoChart = () => (
  <Panel title="Throughput">
    <Nothing>The chart could not be loaded. Reload the page to try again.</Nothing>
  </Panel>
);

interface Worry {
  text: string;
  to?: 'QUEUED' | 'FAILED';
  endpoint?: string;
  task?: Pausable;
}

/** Receivers that fail or were switched off; only admins may know of them. */
function failingEndpoints(endpoints: Endpoint[], now: number): Worry[] {
  return endpoints.flatMap(({ id, url, disabledReason, enabled, circuit }) => {
    const name = url.length > 80 ? `${url.slice(0, 80)}…` : url;
    if (!enabled) return disabledReason ? [{ text: `The webhook endpoint ${name} was disabled: ${disabledReason}`, endpoint: id }] : [];
    if (!circuit?.openUntil) return [];
    return [{ text: `The webhook endpoint ${name} has failed ${plural(circuit.failuresInARow, 'time')} in a row, for ${duration(now - Date.parse(circuit.failingSince))}.`, endpoint: id }];
  });
}

function attention({ jobStats, workers, tasks, failures }: Answer, waiting: Map<string, string>, now: number): Worry[] {
  const found: Worry[] = [];
  const alive = workers.filter((each) => now - Date.parse(each.heartbeatAt) < SILENT_MS);
  const queued = jobStats.byStatus.find((each) => each.status === 'QUEUED')?.count ?? 0;
  if (alive.length === 0) found.push({ text: `No worker is alive${queued ? `: ${plural(queued, 'queued job')} wait` : '; jobs will wait until one is'}.` });
  for (const each of workers)
    if (!alive.includes(each)) found.push({ text: `Worker ${each.host}:${each.pid} has been silent for ${duration(now - Date.parse(each.heartbeatAt))}.` });
  if ((jobStats.oldestQueuedSeconds ?? 0) > LONG_WAIT_SECONDS)
    found.push({ text: `The oldest queued job has waited ${duration(jobStats.oldestQueuedSeconds! * 1000)}.`, to: 'QUEUED' });
  if (jobStats.failedLastMinute > 0) {
    const names = [...new Set(failures.nodes.filter((each) => now - Date.parse(each.updatedAt) < 90_000).map((each) => each.taskName))];
    found.push({ text: `${plural(jobStats.failedLastMinute, 'job')} failed in the last minute${names.length ? `: ${names.slice(0, 3).join(', ')}` : ''}.`, to: 'FAILED' });
  }
  for (const each of tasks)
    if (each.paused) found.push({ text: `The task ${each.name} is paused${waiting.has(each.name) ? `: ${waiting.get(each.name)}` : ''}.`, to: 'QUEUED', task: each });
  return found;
}

export function Overview() {
  const now = useNow();
  const { paused } = useStore(live);
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => request<Answer>(OVERVIEW, {}, signal),
    refetchInterval: paused ? false : 5000,
  });
  const { data: endpoints } = useEndpoints();
  const waiting = useWaiting(data?.tasks ?? []);
  if (!data) return error ? <Trouble error={error} dataFrom={0} retry={() => refetch()} /> : <Skeleton rows={8} />;
  const counts = new Map(data.jobStats.byStatus.map((each) => [each.status, each.count]));
  const problems = [...attention(data, waiting, now), ...failingEndpoints(endpoints ?? [], now)];
  const next = data.schedules
    .filter((each) => !each.paused && each.nextRunAt)
    .sort((one, other) => one.nextRunAt!.localeCompare(other.nextRunAt!))
    .slice(0, 6);
  return (
    <>
      <h1 className="mb-3 text-lg font-semibold">Overview</h1>
      <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} />
      <ul className="mb-4 grid grid-cols-2 gap-2 sm:grid-cols-4 sm:gap-3 xl:grid-cols-7" aria-label="Jobs by status">
        {STATUSES.map((status) => {
          const { Icon, colour } = LOOK[status];
          const count = counts.get(status) ?? 0;
          return (
            <li key={status}>
              <Link to="/jobs" search={{ status }} data-tile={status} className="card block h-full px-3.5 py-3 hover:border-edge hover:bg-raised">
                <span className={`flex items-center gap-1.5 text-[13px] font-medium ${colour}`}>
                  <Icon aria-hidden className="size-4" />
                  {word(status)}
                </span>
                <span className={`mt-1 block text-2xl font-semibold tabular-nums ${count ? '' : 'text-soft'}`}>{count.toLocaleString('en')}</span>
              </Link>
            </li>
          );
        })}
      </ul>
      {data.jobStats.total === 0 && (
        <div className="card mb-4">
          <NothingYet />
        </div>
      )}
      <p className="mb-4 text-soft" role="status" aria-live="off">
        In the last minute <b className="font-semibold text-completed tabular-nums">{data.jobStats.completedLastMinute.toLocaleString('en')} completed</b> and{' '}
        <b className={`font-semibold tabular-nums ${data.jobStats.failedLastMinute ? 'text-failed' : 'text-soft'}`}>{data.jobStats.failedLastMinute.toLocaleString('en')} failed</b>.
      </p>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-[repeat(2,minmax(0,1fr))]">
        <Panel title="Needs attention">
          {problems.length === 0 ? (
            <p className="flex items-center gap-2 px-4 py-4 text-soft">
              <CircleCheck aria-hidden className="size-4 text-completed" /> Nothing right now.
            </p>
          ) : (
            <ul className="divide-y divide-line">
              {problems.map((each) => (
                <li key={each.task ? `task ${each.task.name}` : each.text} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5">
                  <span className="flex min-w-0 grow basis-48 items-start gap-2">
                    <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-queued" />
                    <span className="min-w-0 wrap-anywhere">{each.text}</span>
                  </span>
                  <span className="ml-auto flex items-center gap-3">
                    {each.to && (
                      <Link to="/jobs" search={{ status: each.to, task: each.task?.name }} className="text-accent underline">
                        Show
                      </Link>
                    )}
                    {each.endpoint && (
                      <Link to="/webhooks" search={{ endpoint: each.endpoint }} className="text-accent underline">
                        Show
                      </Link>
                    )}
                    {each.task && <PauseButton task={each.task} />}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
        <Panel title="Workers">
          {data.workers.length === 0 ? (
            <Nothing>No worker has registered. Start one with `signalbox worker`.</Nothing>
          ) : (
            <ul className="divide-y divide-line">
              {data.workers.map((each) => (
                <li key={each.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5">
                  <span className="min-w-0 grow truncate font-mono text-[13px]" title={each.id}>
                    {each.host}:{each.pid}
                  </span>
                  <span className="flex items-center gap-2 text-soft">
                    <meter className="w-20" min={0} max={each.slots} value={each.running} aria-label={`Busy slots of ${each.host}:${each.pid}`} />
                    <span className="tabular-nums">
                      {each.running} of {plural(each.slots, 'slot')} busy
                    </span>
                  </span>
                  <span className="text-soft">
                    heartbeat <Age at={each.heartbeatAt} />
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
        <div className="min-w-0 lg:col-span-2">
          <Suspense
            fallback={
              <Panel title="Throughput">
                <Skeleton rows={7} />
              </Panel>
            }
          >
            <Throughput />
          </Suspense>
        </div>
        <Panel
          title="Last failures"
          more={
            <Link to="/jobs" search={{ status: 'FAILED' }} className="text-accent hover:underline">
              All failed
            </Link>
          }
        >
          {data.failures.nodes.length === 0 ? (
            <Nothing>No job has failed.</Nothing>
          ) : (
            <ul className="divide-y divide-line">
              {data.failures.nodes.map((job) => (
                <li key={job.id} className="px-4 py-2.5">
                  <p className="flex justify-between gap-3">
                    <Link to="/jobs/$id" params={{ id: job.id }} className="min-w-0 truncate font-medium hover:text-accent hover:underline">
                      {job.taskName} <span className="font-mono text-xs font-normal text-soft">#{job.id}</span>
                    </Link>
                    <span className="text-soft">
                      <Age at={job.finishedAt} />
                    </span>
                  </p>
                  <p className="truncate text-[13px] text-failed">{job.error?.message.slice(0, 300)}</p>
                </li>
              ))}
            </ul>
          )}
        </Panel>
        <Panel
          title="Next firings"
          more={
            <Link to="/schedules" className="text-accent hover:underline">
              All schedules
            </Link>
          }
        >
          {next.length === 0 ? (
            <Nothing>{data.schedules.length ? 'Every schedule is paused.' : 'No schedule yet.'}</Nothing>
          ) : (
            <ul className="divide-y divide-line">
              {next.map((each) => (
                <li key={each.id} className="flex justify-between gap-3 px-4 py-2.5">
                  <span className="min-w-0 truncate">
                    <span className="font-medium">{each.name}</span> <span className="text-soft">{each.taskName}</span>
                  </span>
                  <span className="text-soft">
                    <Age at={each.nextRunAt} />
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Panel>
        <Panel title="Tasks" wide>
          {data.tasks.length === 0 ? <Nothing>No worker has declared a task yet.</Nothing> : <TaskList tasks={data.tasks} />}
        </Panel>
      </div>
    </>
  );
}
