// A cron rule in words.
import cronstrue from 'cronstrue';

export function inWords(cron: string): string | null {
  try {
    return cronstrue.toString(cron.replace(/^@(\w+)$/, (all, name: string) => NAMED[name] ?? all), { use24HourTimeFormat: true, throwExceptionOnParseError: true });
  } catch {
    return null;
  }
}
const NAMED: Record<string, string> = { hourly: '0 * * * *', daily: '0 0 * * *', midnight: '0 0 * * *', weekly: '0 0 * * 0', monthly: '0 0 1 * *', yearly: '0 0 1 1 *', annually: '0 0 1 1 *' };
