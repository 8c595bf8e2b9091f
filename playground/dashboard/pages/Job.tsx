import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import ChevronLeft from 'lucide-react/icons/chevron-left';
import Pencil from 'lucide-react/icons/pencil';
import { type ReactNode, useState } from 'react';
import { useReadOnly } from '../api/access';
import { RawJSON, request } from '../api/client';
import { COPY, JOB } from '../api/operations';
import type { JobAttempt, JobDetail, JobError, JobEvent } from '../api/types';
import { act, ACTION_NAMES, ACTIONS, whyNot } from '../jobs/actions';
import { Logs } from '../jobs/Logs';
import { indented, PayloadInput, problemOf } from '../jobs/payload';
import { bytes, duration, word } from '../lib/format';
import { useHotkeys } from '../lib/hotkeys';
import { useNow } from '../lib/now';
import { Action, Age, Button, CopyButton, Dialog, Elapsed, Empty, Moment, Skeleton, Trouble } from '../ui/basics';
import { LOOK, Priority, Status } from '../ui/status';
import { Delivery } from '../webhooks/Delivery';

function Card({ title, side, children }: { title: string; side?: ReactNode; children: ReactNode }) {
  return (
    <section className="card mb-4 min-w-0" aria-label={title}>
      <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-1.5">
        <h2 className="font-semibold">{title}</h2>
        {side}
      </header>
      <div className="px-4 py-3">{children}</div>
    </section>
  );
}

const SHOWN_AT_ONCE = 20_000;

/** A text exactly as it is stored. What is long is cut on the screen alone: copying takes all of it. */
function StoredText({ title, text }: { title: string; text: string | null }) {
  const [whole, setWhole] = useState(false);
  const [pretty, setPretty] = useState(false);
  if (text === null) return null;
  const long = text.length > SHOWN_AT_ONCE;
  const shown = long && !whole ? text.slice(0, SHOWN_AT_ONCE) : text;
  const canIndent = !long && /^\s*[[{]/.test(text);
  return (
    <Card
      title={title}
      side={
        <div className="flex items-center">
          <span className="mr-2 text-xs text-soft">{bytes(text)}</span>
          {canIndent && (
            <Button kind="bare" className="px-2!" aria-pressed={pretty} onClick={() => setPretty(!pretty)}>
              {pretty ? 'As stored' : 'Indent'}
            </Button>
          )}
          <CopyButton text={text} what={title.toLowerCase()} label="Copy" />
        </div>
      }
    >
      <pre tabIndex={0} className="max-h-96 overflow-auto font-mono text-[13px] wrap-anywhere whitespace-pre-wrap" data-testid={title.toLowerCase()}>
        {pretty && canIndent ? indented(shown) : shown}
      </pre>
      {long && !whole && (
        <Button className="mt-2" onClick={() => setWhole(true)}>
          Show all {bytes(text)}
        </Button>
      )}
    </Card>
  );
}

function ErrorText({ error }: { error: JobError }) {
  return (
    <div className="mt-1 min-w-0">
      <p className="wrap-anywhere text-failed">
        <span className="mr-2 font-mono text-xs font-semibold">{error.code}</span>
        {error.message}
      </p>
      {error.traceback && (
        <details className="mt-1">
          <summary className="text-soft">Traceback</summary>
          <div className="relative mt-1 rounded-md bg-raised p-2">
            <div className="absolute top-0 right-0">
              <CopyButton text={error.traceback} what="the traceback" />
            </div>
            <pre tabIndex={0} className="max-h-80 overflow-auto pr-8 font-mono text-xs">
              {error.traceback}
            </pre>
          </div>
        </details>
      )}
    </div>
  );
}

function Attempts({ attempts }: { attempts: JobAttempt[] }) {
  if (attempts.length === 0) return <p className="text-soft">No attempt yet.</p>;
  return (
    <ol className="divide-y divide-line">
      {attempts.toReversed().map((each, at) => (
        <li key={`${each.number}-${each.startedAt}-${at}`} className="py-2 first:pt-0 last:pb-0">
          <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
            <span className="font-medium">Attempt {each.number}</span>
            <Status status={each.outcome ?? 'RUNNING'} />
            <span className="text-soft">
              {each.finishedAt ? 'ran' : 'running for'} <Elapsed from={each.startedAt} to={each.finishedAt} />
            </span>
            <span className="text-soft">
              <Age at={each.startedAt} />
            </span>
            {each.worker && <span className="min-w-0 truncate font-mono text-xs text-soft" title={each.worker}>{each.worker}</span>}
          </div>
          {each.error && <ErrorText error={each.error} />}
        </li>
      ))}
    </ol>
  );
}

const WAITS = ['PENDING', 'SCHEDULED', 'QUEUED'];

function Timeline({ events }: { events: JobEvent[] }) {
  const now = useNow();
  const spent = events.map((each, at) => {
    const next = events[at + 1];
    if (next) return Date.parse(next.at) - Date.parse(each.at);
    const goesOn = each.to === 'RUNNING' || WAITS.includes(each.to);
    return goesOn ? Math.floor(Math.max(now - Date.parse(each.at), 0) / 1000) * 1000 : null;
  });
  const sum = (waits: boolean) =>
    spent.reduce<number>((all, ms, at) => all + (ms !== null && (waits ? WAITS.includes(events[at].to) : events[at].to === 'RUNNING') ? ms : 0), 0);
  return (
    <>
      <p className="mb-3 text-soft">
        Waited {duration(sum(true))}, ran {duration(sum(false))}.
      </p>
      <ol>
        {events.map((each, at) => {
          const { Icon, colour } = LOOK[each.to];
          const isLast = at === events.length - 1;
          return (
            <li key={each.cursor} className="flex gap-3">
              <span className="flex flex-col items-center">
                <Icon aria-hidden className={`size-4 shrink-0 ${colour} ${isLast && each.to === 'RUNNING' ? 'spin' : ''}`} />
                {!isLast && <span aria-hidden className={`w-0.5 grow ${each.to === 'RUNNING' ? 'bg-running' : 'bg-line'}`} />}
              </span>
              <span className="min-w-0 grow pb-3 leading-4">
                <span className="flex flex-wrap justify-between gap-x-3">
                  <span className="font-medium">
                    {word(each.to)}
                    {each.to === 'RUNNING' && <span className="font-normal text-soft"> · attempt {each.attempt}</span>}
                  </span>
                  <span className="text-soft">
                    <Age at={each.at} />
                  </span>
                </span>
                {spent[at] !== null && (
                  <span className="text-xs text-soft">
                    {isLast
                      ? 'for'
                      : each.to === 'RUNNING'
                        ? 'ran'
                        : WAITS.includes(each.to)
                          ? 'waited'
                          : 'stayed'}{' '}
                    {duration(spent[at])}
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ol>
    </>
  );
}

function CopyDialog({ job, onClose }: { job: JobDetail; onClose: () => void }) {
  const navigate = useNavigate();
  const stored = job.payloadText ?? '';
  const [text, setText] = useState(stored);
  const [run, setRun] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  async function submit() {
    try {
      const { copyJob } = await request<{ copyJob: { job: { id: string } } }>(COPY, {
        id: job.id,
        run,
        // Untouched, the server copies what it has stored.
        ...(text === stored ? {} : { payload: text.trim() ? new RawJSON(text.trim()) : null }),
      });
      onClose();
      void navigate({ to: '/jobs/$id', params: { id: copyJob.job.id } });
    } catch (error) {
      setProblem((error as Error).message);
    }
  }
  return (
    <Dialog title={`Run job ${job.id} again with edits`} onClose={onClose} wide>
      <p className="mb-3 text-soft">This makes a new job that links to this one. This one stays as it is.</p>
      <PayloadInput text={text} onChange={setText} error={problem} rows={10} />
      <label className="mt-2 flex items-center gap-2">
        <input type="checkbox" className="size-4 accent-solid" checked={run} onChange={() => setRun(!run)} /> Run it now
      </label>
      <div className="mt-4 flex justify-end gap-2">
        <Button onClick={onClose}>Close</Button>
        <Button kind="solid" disabled={problemOf(text) !== null} onClick={submit}>
          Create the new job
        </Button>
      </div>
    </Dialog>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex justify-between gap-3 py-1">
      <dt className="text-soft">{name}</dt>
      <dd className="min-w-0 text-right wrap-anywhere">{children}</dd>
    </div>
  );
}

export function Job() {
  const { id } = useParams({ from: '/jobs/$id' });
  const navigate = useNavigate();
  const readOnly = useReadOnly();
  const [copying, setCopying] = useState(false);
  const { data: job, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['job', id],
    queryFn: async ({ signal }) => (await request<{ job: JobDetail | null }>(JOB, { id }, signal)).job,
  });
  const tryTo = (...names: (keyof typeof ACTIONS)[]) => {
    const name = job && names.find((each) => whyNot(each, job.status, readOnly) === null);
    if (name && job) act(name, job);
  };
  useHotkeys({ r: () => tryTo('retry', 'run'), c: () => tryTo('cancel') });

  if (job === undefined)
    return error ? <Trouble error={error} dataFrom={0} retry={() => refetch()} /> : <Skeleton rows={12} />;
  if (job === null)
    return (
      <Empty title={`There is no job ${id.slice(0, 40)}`}>
        <p>It may have been deleted, or pruned after its retention time.</p>
        <Link to="/jobs" className="text-accent underline">
          All jobs
        </Link>
      </Empty>
    );
  return (
    <>
      <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} />
      <div className="sticky top-12 z-10 -mx-3 -mt-4 mb-4 border-b border-line bg-page px-3 py-3 sm:-mx-6 sm:px-6 max-sm:static">
        <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
          <div className="min-w-0">
            <p className="flex items-center text-[13px] text-soft">
              <Link to="/jobs" className="-ml-1 inline-flex items-center hover:text-ink hover:underline">
                <ChevronLeft aria-hidden className="size-4" /> Jobs
              </Link>
              <span className="mx-1.5">/</span>
              <span className="font-mono">#{job.id}</span>
              <CopyButton text={job.id} what="the id" />
            </p>
            <h1 className="flex min-w-0 flex-wrap items-center gap-x-3 text-lg font-semibold">
              <span className="min-w-0 wrap-anywhere">{job.taskName}</span>
              <span className="text-sm" role="status">
                <Status status={job.status} />
              </span>
            </h1>
          </div>
          <div className="flex flex-wrap gap-2">
            {ACTION_NAMES.map((name) => {
              const { Icon, label } = ACTIONS[name];
              return (
                <Action
                  key={name}
                  kind={name === 'delete' ? 'danger' : 'plain'}
                  why={whyNot(name, job.status, readOnly)}
                  onClick={() => act(name, job, name === 'delete' ? () => void navigate({ to: '/jobs' }) : undefined)}
                >
                  <Icon aria-hidden className="size-4" /> {label}
                </Action>
              );
            })}
            <Action why={readOnly ? 'Your key may only read' : null} onClick={() => setCopying(true)}>
              <Pencil aria-hidden className="size-4" /> Run again with edits
            </Action>
          </div>
        </div>
        {job.waitingFor && <p className="mt-1 wrap-anywhere text-soft">{job.waitingFor}</p>}
        {job.copyOf && (
          <p className="mt-1 text-soft">
            Copy of{' '}
            <Link to="/jobs/$id" params={{ id: job.copyOf.id }} className="text-accent underline">
              job {job.copyOf.id}
            </Link>
          </p>
        )}
      </div>

      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <div className="min-w-0">
          {job.status === 'FAILED' && job.error && (
            <Card title="Error" side={<CopyButton text={`${job.error.code}: ${job.error.message}\n${job.error.traceback ?? ''}`} what="the error" label="Copy" />}>
              <ErrorText error={job.error} />
            </Card>
          )}
          <StoredText title="Payload" text={job.payloadText} />
          <StoredText title="Result" text={job.resultText} />
          <Logs key={job.id} id={job.id} status={job.status} />
          <Card title="Attempts">
            <Attempts attempts={job.attempts} />
          </Card>
          {job.deliveries.length > 0 && (
            <Card title="Webhook deliveries">
              <ul className="-mx-4 -my-3 divide-y divide-line">
                {job.deliveries.map((each) => (
                  <Delivery key={each.id} delivery={each} />
                ))}
              </ul>
            </Card>
          )}
        </div>
        <div className="min-w-0">
          <Card title="Timeline">
            <Timeline events={job.events} />
          </Card>
          <Card title="Details">
            <dl>
              <Fact name="Priority">
                <Priority priority={job.priority} />
              </Fact>
              <Fact name="Attempts">
                {job.attempt} of {job.maxAttempts}
              </Fact>
              <Fact name="Timeout">{duration(job.timeoutSeconds * 1000)}</Fact>
              <Fact name="Created">
                <Moment at={job.createdAt} />
              </Fact>
              {job.runAt && (
                <Fact name="Runs at">
                  <Moment at={job.runAt} />
                </Fact>
              )}
              {job.startedAt && (
                <Fact name="Started">
                  <Moment at={job.startedAt} />
                </Fact>
              )}
              {job.finishedAt && (
                <Fact name="Finished">
                  <Moment at={job.finishedAt} />
                </Fact>
              )}
              {job.schedule && <Fact name="Schedule">{job.schedule.name}</Fact>}
              {job.idempotencyKey && <Fact name="Idempotency key">{job.idempotencyKey}</Fact>}
              {job.tags.length > 0 && (
                <Fact name="Tags">
                  <span className="inline-flex flex-wrap justify-end gap-1">
                    {job.tags.map((tag) => (
                      <Link key={tag} to="/jobs" search={{ tag }} className="rounded bg-raised px-1.5 hover:underline">
                        {tag}
                      </Link>
                    ))}
                  </span>
                </Fact>
              )}
            </dl>
          </Card>
        </div>
      </div>
      {copying && <CopyDialog job={job} onClose={() => setCopying(false)} />}
    </>
  );
}
