// Times, durations and counts as people read them.

export function duration(ms: number): string {
  if (ms < 0) ms = 0;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function age(ms: number): string {
  const ahead = ms < 0;
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const text =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min`
        : seconds < 86_400
          ? `${Math.floor(seconds / 3600)} h`
          : `${Math.floor(seconds / 86_400)} d`;
  if (seconds < (ahead ? 1 : 2)) return 'now';
  return ahead ? `in ${text}` : `${text} ago`;
}

export function exact(iso: string | number, zone: 'local' | 'utc', withDate = true): string {
  const parts = new Intl.DateTimeFormat('en-GB', {
    ...(withDate ? { year: 'numeric', month: '2-digit', day: '2-digit' } : {}),
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: withDate ? 3 : undefined,
    hourCycle: 'h23',
    timeZone: zone === 'utc' ? 'UTC' : undefined,
    timeZoneName: withDate ? 'short' : undefined,
  } as Intl.DateTimeFormatOptions).formatToParts(new Date(iso));
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  const time = `${part('hour')}:${part('minute')}:${part('second')}`;
  if (!withDate) return time;
  return `${part('year')}-${part('month')}-${part('day')} ${time}.${part('fractionalSecond')} ${part('timeZoneName')}`;
}

export const clock = (at: number, zone: 'local' | 'utc') => exact(at, zone, false);

export const CAP = 10_000;
export const capped = (count: number) => (count >= CAP ? '10k+' : count.toLocaleString('en'));

export function bytes(text: string): string {
  const size = new TextEncoder().encode(text).length;
  if (size < 1024) return `${size} B`;
  return size < 1024 * 1024 ? `${(size / 1024).toFixed(1)} kB` : `${(size / 1024 / 1024).toFixed(1)} MB`;
}

export const word = (constant: string) => constant.charAt(0) + constant.slice(1).toLowerCase().replaceAll('_', ' ');
export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
