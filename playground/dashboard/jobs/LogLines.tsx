// Ten thousand lines of a log, of which only those in view are in the page.
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useEffect, useRef } from 'react';
import type { LogLine } from '../api/types';
import { clock } from '../lib/format';
import { preferences } from '../lib/preferences';
import { useStore } from '../lib/store';

const LINE_PIXELS = 20;
const COLOURS: Record<string, string> = { error: 'text-failed', critical: 'text-failed', warning: 'text-queued', debug: 'text-soft' };

export function LogLines({ lines, follow }: { lines: LogLine[]; follow: boolean }) {
  const { zone } = useStore(preferences);
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => LINE_PIXELS,
    overscan: 20,
    paddingStart: 8,
    paddingEnd: 8,
  });
  useEffect(() => {
    if (follow && lines.length) rows.scrollToIndex(lines.length - 1, { align: 'end' });
  }, [lines, follow, rows]);

  // The browser's own way there is slow enough for lines to be measured under it, and each that is taller stops it.
  function jump(event: KeyboardEvent) {
    const to = { Home: 0, End: lines.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    rows.scrollToIndex(to, { align: to ? 'end' : 'start' });
  }

  return (
    <div ref={box} tabIndex={0} role="log" aria-label="Log lines" onKeyDown={jump} className="max-h-96 overflow-auto font-mono text-[13px]">
      <div className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const line = lines[row.index];
          return (
            <p
              key={row.key}
              ref={rows.measureElement}
              data-index={row.index}
              className="absolute inset-x-0 top-0 flex gap-3 px-4 hover:bg-raised"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              <time dateTime={line.at} title={line.at} className="shrink-0 text-soft">
                {clock(Date.parse(line.at), zone)}
              </time>
              <span className={`w-16 shrink-0 max-sm:hidden ${COLOURS[line.level.toLowerCase()] ?? 'text-soft'}`}>{line.level.toLowerCase()}</span>
              <span className="min-w-0 wrap-anywhere whitespace-pre-wrap">{line.message}</span>
            </p>
          );
        })}
      </div>
    </div>
  );
}
