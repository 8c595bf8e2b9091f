// Periods that lists can be narrowed to.
export const PERIODS = { '15m': 'Last 15 minutes', '1h': 'Last hour', '24h': 'Last 24 hours', '7d': 'Last 7 days' } as const;
export type Period = keyof typeof PERIODS;
const MINUTES: Record<Period, number> = { '15m': 15, '1h': 60, '24h': 1440, '7d': 10_080 };

// A period begins where it was chosen: a list whose lower end moved with the clock could not be paged.
const begins = new Map<string, { at: string; chosen: number }>();
export function beginOf(period: Period): string {
  const known = begins.get(period);
  if (known && Date.now() - known.chosen < 60_000) return known.at;
  const at = new Date(Date.now() - MINUTES[period] * 60_000).toISOString();
  begins.set(period, { at, chosen: Date.now() });
  return at;
}
