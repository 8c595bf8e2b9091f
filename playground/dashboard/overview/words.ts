// The chart in words: what each step is called, and what a whole period comes to.
import type { ThroughputPoint } from '../api/types';
import { plural } from '../lib/format';
import { type Period, PERIODS } from './search';

export type Zone = 'local' | 'utc';

function parts(at: number, zone: Zone) {
  const found = new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: zone === 'utc' ? 'UTC' : undefined,
  }).formatToParts(new Date(at));
  const part = (type: string) => found.find((each) => each.type === type)?.value ?? '';
  return { time: `${part('hour')}:${part('minute')}`, day: `${part('weekday')} ${part('day')}`, month: part('month') };
}

/** When a step began, as a sentence says it. */
export function beginning(at: number, period: Period, zone: Zone): string {
  const { time, day, month } = parts(at, zone);
  if (period === '1h') return time;
  return period === '24h' ? `${day}, ${time}` : `${day} ${month}, ${time}`;
}

/** What stands below a tick of the axis: a day where one begins. */
export function tick(at: number, period: Period, zone: Zone): string {
  const { time, day } = parts(at, zone);
  return period !== '1h' && time === '00:00' ? day : time;
}

export function step(point: ThroughputPoint, period: Period, zone: Zone): string {
  const at = Date.parse(point.at);
  const until = parts(at + PERIODS[period].stepSeconds * 1000, zone).time;
  const { completed, failed, cancelled, created } = point;
  const numbers = Object.entries({ completed, failed, cancelled, created });
  return `${beginning(at, period, zone)}–${until}: ${numbers.map(([name, count]) => `${count.toLocaleString('en')} ${name}`).join(', ')}`;
}

const sum = (points: ThroughputPoint[], kind: 'created' | 'completed' | 'failed' | 'cancelled') =>
  points.reduce((total, each) => total + each[kind], 0);
export const ended = (points: ThroughputPoint[]) => sum(points, 'completed') + sum(points, 'failed');

function share(failed: number, all: number): string {
  const percent = (100 * failed) / all;
  return percent < 0.1 ? 'under 0.1 %' : `${percent.toLocaleString('en', { maximumFractionDigits: 1 })} %`;
}

/** A period in one sentence. */
export function summary(points: ThroughputPoint[], period: Period, zone: Zone): string {
  const [completed, failed, cancelled] = [sum(points, 'completed'), sum(points, 'failed'), sum(points, 'cancelled')];
  const busiest = points.reduce((most, each) => (each.completed + each.failed > most.completed + most.failed ? each : most));
  const counts = [
    `${completed.toLocaleString('en')} completed`,
    failed ? `${failed.toLocaleString('en')} failed (${share(failed, completed + failed)})` : 'none failed',
    ...(cancelled ? [`${cancelled.toLocaleString('en')} cancelled`] : []),
    `busiest ${PERIODS[period].step} ${beginning(Date.parse(busiest.at), period, zone)} with ${(busiest.completed + busiest.failed).toLocaleString('en')}`,
  ];
  return `Last ${PERIODS[period].words}: ${counts.join(', ')}.`;
}

/** What is said in place of a chart. */
export function nothing(points: ThroughputPoint[], period: Period): string {
  const [created, cancelled] = [sum(points, 'created'), sum(points, 'cancelled')];
  const others = [...(created ? [`${plural(created, 'job')} created`] : []), ...(cancelled ? [`${cancelled.toLocaleString('en')} cancelled`] : [])];
  return `No job completed or failed in the last ${PERIODS[period].words}${others.length ? `; ${others.join(', ')}` : ''}.`;
}
