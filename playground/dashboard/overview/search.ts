// How far back the chart of the overview goes: what stands in the URL, and what is asked of the server.
import { oneOf } from '../lib/search';

export const PERIODS = {
  '1h': { constant: 'HOUR', words: 'hour', step: 'minute', stepSeconds: 60 },
  '24h': { constant: 'DAY', words: '24 hours', step: 'quarter of an hour', stepSeconds: 900 },
  '7d': { constant: 'WEEK', words: '7 days', step: 'hour', stepSeconds: 3600 },
} as const;
export type Period = keyof typeof PERIODS;
export const NAMES = Object.keys(PERIODS) as Period[];

export interface OverviewSearch {
  period?: Period;
}

export const readSearch = (raw: Record<string, unknown>): OverviewSearch => ({ period: oneOf(NAMES, raw.period) });
