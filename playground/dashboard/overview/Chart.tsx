// Completed and failed jobs, step by step: two rows of bars, so that neither needs its colour to be told from the other.
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type uPlot from 'uplot';
import type { ThroughputPoint } from '../api/types';
import { preferences } from '../lib/preferences';
import { useStore } from '../lib/store';
import { LOOK } from '../ui/status';
import { columns, type Look, plot } from './plot';
import type { Period } from './search';
import { step } from './words';

const ROWS: readonly Look[] = [
  { kind: 'completed', height: 130, hasTimes: false },
  { kind: 'failed', height: 90, hasTimes: true },
];
const dark = matchMedia('(prefers-color-scheme: dark)');

function useScheme(): string {
  const { theme } = useStore(preferences);
  const [system, setSystem] = useState(dark.matches);
  useEffect(() => {
    const changed = () => setSystem(dark.matches);
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  return theme === 'system' ? String(system) : theme;
}

export function Chart({ points, period }: { points: ThroughputPoint[]; period: Period }) {
  const { zone } = useStore(preferences);
  const scheme = useScheme();
  const [chosen, setChosen] = useState<string | null>(null); // by its time: steps move on
  const hosts = useRef<(HTMLDivElement | null)[]>([]);
  const plots = useRef<uPlot[]>([]);
  const current = useRef(points);
  current.current = points;
  const index = points.findIndex((each) => each.at === chosen);
  const shown = index < 0 ? points.length - 1 : index;

  useEffect(() => {
    const onPoint = (found: number | null) => setChosen(found === null ? null : (current.current[found]?.at ?? null));
    const made = ROWS.map((row, number) => plot(hosts.current[number]!, row, { period, zone, onPoint }, columns(current.current, row.kind, period)));
    plots.current = made;
    const resized = new ResizeObserver(() => {
      for (const [number, each] of made.entries()) each.setSize({ width: hosts.current[number]!.clientWidth, height: ROWS[number]!.height });
    });
    resized.observe(hosts.current[0]!);
    return () => {
      resized.disconnect();
      for (const each of made) each.destroy();
      plots.current = [];
    };
  }, [period, zone, scheme]);

  useEffect(() => {
    for (const [number, each] of plots.current.entries()) each.setData(columns(points, ROWS[number]!.kind, period));
  }, [points, period]);

  useEffect(() => {
    for (const each of plots.current) {
      const at = index < 0 ? undefined : each.data[0][index];
      each.setCursor(at === undefined ? { left: -10, top: -10 } : { left: each.valToPos(at, 'x'), top: 0 }, false);
    }
  }, [index, points, period, zone, scheme]);

  function pressed(event: KeyboardEvent) {
    const last = points.length - 1;
    const places: Record<string, number> = {
      ArrowLeft: index < 0 ? last : index - 1,
      ArrowDown: index < 0 ? last : index - 1,
      ArrowRight: index < 0 ? last : index + 1,
      ArrowUp: index < 0 ? last : index + 1,
      PageDown: shown - 10,
      PageUp: shown + 10,
      Home: 0,
      End: last,
    };
    const place = places[event.key];
    if (place === undefined) return;
    event.preventDefault();
    setChosen(points[Math.min(Math.max(place, 0), last)]!.at);
  }

  return (
    <>
      <div
        role="slider"
        tabIndex={0}
        aria-label="Step of the chart"
        aria-valuemin={1}
        aria-valuemax={points.length}
        aria-valuenow={shown + 1}
        aria-valuetext={step(points[shown]!, period, zone)}
        onKeyDown={pressed}
        onBlur={() => setChosen(null)}
        className="rounded"
      >
        {ROWS.map(({ kind }, number) => {
          const { Icon, colour } = kind === 'completed' ? LOOK.COMPLETED : LOOK.FAILED;
          return (
            <div key={kind}>
              <p className={`flex items-center gap-1.5 text-[13px] font-medium ${colour}`}>
                <Icon aria-hidden className="size-4" /> {kind === 'completed' ? 'Completed' : 'Failed'}
                {points.every((each) => each[kind] === 0) && ': none'}
              </p>
              <div data-chart={kind} ref={(host) => void (hosts.current[number] = host)} />
            </div>
          );
        })}
      </div>
      <p className="mt-1 min-h-16 text-soft tabular-nums sm:min-h-5" data-testid="step">
        {index < 0 ? 'Point at a bar, or use the arrow keys, for its numbers.' : step(points[index]!, period, zone)}
      </p>
    </>
  );
}
