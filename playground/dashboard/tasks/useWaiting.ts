// How many jobs of each paused task wait. It is asked apart, for few servers have paused tasks.
import { useQuery } from '@tanstack/react-query';
import { request } from '../api/client';
import { live } from '../api/live';
import { waitingOf } from '../api/operations';
import { capped } from '../lib/format';
import { useStore } from '../lib/store';

const MOST_TASKS = 20;

/** In words, by the task's name. */
export function useWaiting(tasks: { name: string; paused: boolean }[]): Map<string, string> {
  const { paused: isHalted } = useStore(live);
  const names = tasks.filter((each) => each.paused).map((each) => each.name).slice(0, MOST_TASKS);
  const { data } = useQuery({
    queryKey: ['overview', 'waiting', names],
    queryFn: async ({ signal }) => {
      const variables = Object.fromEntries(names.map((name, at) => [`name${at}`, name]));
      return request<Record<string, { totalCount: number }>>(waitingOf(names.length), variables, signal);
    },
    enabled: names.length > 0,
    refetchInterval: isHalted ? false : 5000,
    placeholderData: (before) => before,
  });
  if (!data) return new Map();
  return new Map(names.flatMap((name, at) => (data[`of${at}`] ? [[name, sentence(data[`of${at}`].totalCount)]] : [])));
}

const sentence = (count: number) => (count === 0 ? 'none of its jobs waits' : count === 1 ? '1 of its jobs waits' : `${capped(count)} of its jobs wait`);
