// The filter of the list: what stands in the URL, what is asked of the server, and what an event must be to match.
import { useMemo } from 'react';
import { PRIORITIES, STATUSES, type JobPriority, type JobRow, type JobsFilter, type JobStatus } from '../api/types';

export const PERIODS = { '15m': 'Last 15 minutes', '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' } as const;
const MINUTES: Record<keyof typeof PERIODS, number> = { '15m': 15, '1h': 60, '24h': 1440, '7d': 10_080 };

export interface JobsSearch {
  status?: JobStatus;
  priority?: JobPriority;
  task?: string;
  tag?: string;
  period?: keyof typeof PERIODS;
  q?: string;
}

const oneOf = <T extends string>(allowed: readonly T[], given: unknown): T | undefined => {
  const found = String(given ?? '');
  return allowed.find((each) => each.toLowerCase() === found.toLowerCase());
};
const text = (given: unknown) => (given === undefined || given === null || given === '' ? undefined : String(given).slice(0, 255));

export function readSearch(raw: Record<string, unknown>): JobsSearch {
  return {
    status: oneOf(STATUSES, raw.status),
    priority: oneOf(PRIORITIES, raw.priority),
    task: text(raw.task),
    tag: text(raw.tag),
    period: oneOf(Object.keys(PERIODS) as (keyof typeof PERIODS)[], raw.period),
    q: text(raw.q),
  };
}

// A period begins where it was chosen: a list whose lower end moved with the clock could not be paged.
const begins = new Map<string, { at: string; chosen: number }>();
function beginOf(period: keyof typeof PERIODS): string {
  const known = begins.get(period);
  if (known && Date.now() - known.chosen < 60_000) return known.at;
  const at = new Date(Date.now() - MINUTES[period] * 60_000).toISOString();
  begins.set(period, { at, chosen: Date.now() });
  return at;
}

export function useFilter({ status, priority, task, tag, period, q }: JobsSearch): JobsFilter {
  return useMemo(
    () => ({
      ...(status ? { status: [status] } : {}),
      ...(priority ? { priority: [priority] } : {}),
      ...(task ? { taskName: task } : {}),
      ...(tag ? { tag } : {}),
      ...(q ? { search: q } : {}),
      ...(period ? { createdAfter: beginOf(period) } : {}),
    }),
    [status, priority, task, tag, period, q],
  );
}

export function matches(job: JobRow, filter: JobsFilter): boolean {
  const { status, priority, taskName, tag, search, createdAfter } = filter;
  return (
    (!status || status.includes(job.status)) &&
    (!priority || priority.includes(job.priority)) &&
    (!taskName || job.taskName === taskName) &&
    (!tag || job.tags.includes(tag)) &&
    (!search || job.id === search || job.taskName.toLowerCase().includes(search.toLowerCase())) &&
    (!createdAfter || job.createdAt >= createdAfter)
  );
}

export const isFiltered = (search: JobsSearch) => Object.values(search).some((each) => each !== undefined);
