// The cache of what was asked, and how it follows the changes that arrive.
import { QueryClient, type InfiniteData, type Query } from '@tanstack/react-query';
import { createStore } from '../lib/store';
import { APIError } from './client';
import type { JobDetail, JobRow, JobStatus, PageInfo } from './types';

/** A job in one of these is told of by webhooks. */
export const ENDED: readonly JobStatus[] = ['COMPLETED', 'FAILED', 'CANCELLED'];

export interface JobsPage {
  nodes: JobRow[];
  pageInfo: PageInfo;
}

export const cache = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 0,
      retry: (failures, error) => error instanceof APIError && error.code === 'UNREACHABLE' && failures < 1_000_000,
      retryDelay: (tries) => Math.min(500 * 2 ** tries, 3000),
      refetchOnWindowFocus: false,
      networkMode: 'always',
    },
    mutations: { networkMode: 'always', retry: false },
  },
});

export interface Change {
  cursor: string;
  from: JobStatus | null;
  to: JobStatus;
  at: string;
  job: JobRow;
}

/** Whoever wants each change as well: the list counts jobs that are not in it. */
export const changes = createStore<Change[]>([]);

/** The job as the later of two answers has it. */
const later = <T extends JobRow>(shown: T, arrived: JobRow): T =>
  arrived.updatedAt >= shown.updatedAt ? { ...shown, ...arrived, error: arrived.error && { ...shown.error, ...arrived.error } } : shown;

export function apply(arrived: Change[]) {
  const newest = new Map(arrived.map((each) => [each.job.id, each.job]));
  cache.setQueriesData<InfiniteData<JobsPage>>({ queryKey: ['jobs'] }, (data) => {
    if (!data?.pages.some((page) => page.nodes.some((row) => newest.has(row.id)))) return data;
    return {
      ...data,
      pages: data.pages.map((page) => ({
        ...page,
        nodes: page.nodes.map((row) => {
          const job = newest.get(row.id);
          return job ? later(row, job) : row;
        }),
      })),
    };
  });
  for (const [id, job] of newest) {
    cache.setQueryData<JobDetail | null>(['job', id], (shown) => shown && later(shown, job));
    refresh(['job', id], 150);
  }
  refresh(['counts'], 1500);
  refresh(['overview'], 800);
  if (arrived.some((each) => ENDED.includes(each.to))) {
    refresh(['webhooks'], 1500);
    refresh(['schedules'], 1500);
  }
  changes.set(arrived);
}

const planned = new Map<string, { timer: ReturnType<typeof setTimeout> | undefined; last: number }>();

/** Asks again, at most once in a period however many changes arrive. */
export function refresh(queryKey: string[], everyMs: number) {
  const name = queryKey.join('/');
  const plan = planned.get(name) ?? { timer: undefined, last: 0 };
  planned.set(name, plan);
  if (plan.timer) return;
  plan.timer = setTimeout(
    () => {
      plan.timer = undefined;
      plan.last = Date.now();
      if (planned.size > 500) planned.delete(name);
      void cache.invalidateQueries({ queryKey });
    },
    Math.max(60, plan.last + everyMs - Date.now()),
  );
}

/** Asks anew for all that is shown. What is being asked for already, a further page say, is let come first. */
export function renew() {
  for (const query of cache.getQueryCache().findAll()) void renewOne(query);
}

async function renewOne(query: Query) {
  while (query.state.fetchStatus === 'fetching') await new Promise((resolve) => setTimeout(resolve, 50));
  await cache.invalidateQueries({ queryKey: query.queryKey, exact: true }, { cancelRefetch: false });
}

export function removed(ids: string[]) {
  const gone = new Set(ids);
  cache.setQueriesData<InfiniteData<JobsPage>>(
    { queryKey: ['jobs'] },
    (data) =>
      data && {
        ...data,
        pages: data.pages.map((page) => ({ ...page, nodes: page.nodes.filter((row) => !gone.has(row.id)) })),
      },
  );
  refresh(['counts'], 0);
  refresh(['overview'], 0);
}
