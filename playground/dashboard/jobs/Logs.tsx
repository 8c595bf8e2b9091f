// What a task logs, followed while it runs. Lines are asked for from the last cursor on; only the newest stay in the page.
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { request } from '../api/client';
import { LOGS } from '../api/operations';
import type { JobStatus, LogLine, PageInfo } from '../api/types';
import { CopyButton } from '../ui/basics';

const KEPT = 10_000;
const FOLLOW_MS = 1000;

// The list that draws them is loaded for jobs that have logged something.
const LogLines = lazy(() => import('./LogLines').then((module) => ({ default: module.LogLines })));

interface Answer {
  job: { progress: number | null; logs: { nodes: LogLine[]; pageInfo: PageInfo } } | null;
}

export function Logs({ id, status }: { id: string; status: JobStatus }) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [progress, setProgress] = useState<number | null>(null);
  const [filter, setFilter] = useState('');
  const [follow, setFollow] = useState(true);
  const cursor = useRef<string | null>(null);
  const isRunning = status === 'RUNNING';

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function read() {
      let more = true;
      try {
        while (more && !stop.signal.aborted) {
          const { job } = await request<Answer>(LOGS, { id, after: cursor.current }, stop.signal);
          if (!job || stop.signal.aborted) return;
          const { nodes, pageInfo } = job.logs;
          cursor.current = pageInfo.endCursor ?? cursor.current;
          setProgress(job.progress);
          if (nodes.length) setLines((known) => [...known, ...nodes].slice(-KEPT));
          more = pageInfo.hasNextPage;
        }
      } catch {
        // the page says that the server is away; this asks again
      }
      if (!stop.signal.aborted && isRunning) timer = setTimeout(read, FOLLOW_MS);
    }
    void read();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [id, isRunning, status]);

  const wanted = filter.toLowerCase();
  const shown = useMemo(
    () => (wanted ? lines.filter((line) => `${line.level} ${line.message}`.toLowerCase().includes(wanted)) : lines),
    [lines, wanted],
  );
  return (
    <section className="card mb-4" aria-label="Logs">
      <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
        <h2 className="font-semibold">Logs</h2>
        <div className="flex flex-wrap items-center gap-2">
          {isRunning && (
            <label className="flex items-center gap-1.5 text-soft">
              <input type="checkbox" className="size-4 accent-solid" checked={follow} onChange={() => setFollow(!follow)} /> Follow
            </label>
          )}
          {lines.length > 0 && (
            <>
              <input aria-label="Filter log lines" placeholder="Filter" className="field w-32! py-0.5!" value={filter} onChange={(event) => setFilter(event.target.value)} />
              <CopyButton text={shown.map((line) => `${line.at} ${line.level} ${line.message}`).join('\n')} what="the lines" />
            </>
          )}
        </div>
      </header>
      {isRunning && progress !== null && (
        <div className="flex items-center gap-3 border-b border-line px-4 py-2">
          <progress className="h-2 grow" max={1} value={progress} aria-label="Progress" />
          <span className="w-10 text-right text-soft tabular-nums">{Math.round(progress * 100)} %</span>
        </div>
      )}
      {shown.length === 0 ? (
        <p className="px-4 py-3 text-soft">{lines.length ? 'No line matches.' : isRunning ? 'Nothing logged so far.' : 'Nothing was logged.'}</p>
      ) : (
        <Suspense fallback={<p className="px-4 py-3 text-soft">Loading…</p>}>
          <LogLines lines={shown} follow={follow && isRunning} />
        </Suspense>
      )}
      {lines.length === KEPT && <p className="border-t border-line px-4 py-2 text-xs text-soft">The last {KEPT.toLocaleString('en')} lines.</p>}
    </section>
  );
}
