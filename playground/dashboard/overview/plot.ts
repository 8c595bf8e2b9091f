// One row of bars on a canvas, made by uPlot, in the colours that the page has at that moment.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { ThroughputPoint } from '../api/types';
import { type Period, PERIODS } from './search';
import { tick, type Zone } from './words';

export interface Look {
  kind: 'completed' | 'failed';
  height: number;
  hasTimes: boolean;
}

export interface Frame {
  period: Period;
  zone: Zone;
  /** Told of the bar under the pointer, by its place; null when there is none. */
  onPoint: (index: number | null) => void;
}

const COLOURS = { completed: 'text-completed', failed: 'text-failed', words: 'text-soft', grid: 'text-line' } as const;
const FONT = '11px ui-sans-serif, system-ui, sans-serif';
const WHOLE = [1, 2, 5].flatMap((each) => Array.from({ length: 9 }, (_, power) => each * 10 ** power)).sort((one, other) => one - other);
const compact = new Intl.NumberFormat('en', { notation: 'compact' });

function colourOf(host: HTMLElement, name: keyof typeof COLOURS): string {
  const probe = document.createElement('span');
  probe.className = COLOURS[name];
  host.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Bars stand in the middle of their steps, so that the one nearest to the pointer is the one under it. Where there is
 * something, its outline shows however low the bar is. */
export function columns(points: ThroughputPoint[], kind: Look['kind'], period: Period): uPlot.AlignedData {
  const half = PERIODS[period].stepSeconds / 2;
  return [points.map((each) => Date.parse(each.at) / 1000 + half), points.map((each) => each[kind] || null)];
}

export function plot(host: HTMLElement, { kind, height, hasTimes }: Look, { period, zone, onPoint }: Frame, data: uPlot.AlignedData): uPlot {
  const half = PERIODS[period].stepSeconds / 2;
  const [colour, words, grid] = [colourOf(host, kind), colourOf(host, 'words'), colourOf(host, 'grid')];
  const axis = { font: FONT, stroke: words, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return new uPlot(
    {
      width: host.clientWidth,
      height,
      padding: [6, 18, hasTimes ? 0 : 6, 0],
      legend: { show: false },
      tzDate: (seconds) => (zone === 'utc' ? uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC') : new Date(seconds * 1000)),
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { show: false },
        move: (self, left, top) => [left < 0 ? left : self.valToPos(self.data[0][self.posToIdx(left)]!, 'x'), top],
      },
      scales: {
        x: { range: (_, first, last) => [first - half, last + half] },
        y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] },
      },
      axes: [
        { ...axis, size: hasTimes ? 24 : 0, space: 64, values: (_, splits) => splits.map((each) => (hasTimes ? tick(each * 1000, period, zone) : '')) },
        { ...axis, size: 44, space: 28, incrs: WHOLE, values: (_, splits) => splits.map((each) => compact.format(each)) },
      ],
      series: [{}, { stroke: colour, fill: colour, width: 1, points: { show: false }, paths: uPlot.paths.bars!({ size: [0.75, 40] }) }],
      hooks: { setCursor: [(self) => onPoint(self.cursor.idx ?? null)] },
    },
    data,
    host,
  );
}
