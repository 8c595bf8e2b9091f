// The filter of the list: what stands in the URL, what is asked of the server, and what an event must be to match.
import { useMemo } from 'react';
import { PRIORITIES, STATUSES, type JobPriority, type JobRow, type JobsFilter, type JobStatus } from '../api/types';
import { beginOf, type Period, PERIODS } from '../lib/periods';
import { oneOf, text } from '../lib/search';

export interface JobsSearch {
  status?: JobStatus;
  priority?: JobPriority;
  task?: string;
  tag?: string;
  period?: Period;
  q?: string;
}

export function readSearch(raw: Record<string, unknown>): JobsSearch {
  return {
    status: oneOf(STATUSES, raw.status),
    priority: oneOf(PRIORITIES, raw.priority),
    task: text(raw.task),
    tag: text(raw.tag),
    period: oneOf(Object.keys(PERIODS) as Period[], raw.period),
    q: text(raw.q),
  };
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
