import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import cronstrue from 'cronstrue';
import CalendarClock from 'lucide-react/icons/calendar-clock';
import Pause from 'lucide-react/icons/pause';
import Play from 'lucide-react/icons/play';
import Plus from 'lucide-react/icons/plus';
import Trash2 from 'lucide-react/icons/trash-2';
import { type FormEvent, useId, useState } from 'react';
import { useReadOnly } from '../api/access';
import { type APIError, RawJSON, request } from '../api/client';
import { CREATE_SCHEDULE, DELETE_SCHEDULE, PAUSE_SCHEDULE, RESUME_SCHEDULE, SCHEDULES, TASKS, TRIGGER_SCHEDULE } from '../api/operations';
import { cache } from '../api/queries';
import { PRIORITIES, type Schedule, type Task } from '../api/types';
import { PayloadInput, problemOf } from '../jobs/payload';
import { word } from '../lib/format';
import { Action, Age, Button, Dialog, Empty, Moment, Problem, Skeleton, Trouble, say } from '../ui/basics';

function inWords(cron: string): string | null {
  try {
    return cronstrue.toString(cron.replace(/^@(\w+)$/, (all, name: string) => NAMED[name] ?? all), { use24HourTimeFormat: true, throwExceptionOnParseError: true });
  } catch {
    return null;
  }
}
const NAMED: Record<string, string> = { hourly: '0 * * * *', daily: '0 0 * * *', midnight: '0 0 * * *', weekly: '0 0 * * 0', monthly: '0 0 1 * *', yearly: '0 0 1 1 *', annually: '0 0 1 1 *' };

function NewSchedule({ onClose }: { onClose: () => void }) {
  const id = useId();
  const { data } = useQuery({ queryKey: ['tasks'], queryFn: ({ signal }) => request<{ tasks: Task[] }>(TASKS, {}, signal) });
  const [form, setForm] = useState({ name: '', taskName: '', cron: '*/5 * * * *', timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC', priority: 'MEDIUM', overlap: 'ALLOW', misfire: 'RUN_ONCE' });
  const [payload, setPayload] = useState('');
  const [error, setError] = useState<APIError | null>(null);
  const set = (name: keyof typeof form) => (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value });
  const words = inWords(form.cron.trim());
  const problemAt = (field: string) => (error?.field === field ? error.message : null);
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (problemOf(payload)) return;
    try {
      await request(CREATE_SCHEDULE, { input: { ...form, cron: form.cron.trim(), ...(payload.trim() ? { payload: new RawJSON(payload.trim()) } : {}) } });
      void cache.invalidateQueries({ queryKey: ['schedules'] });
      say(`Schedule ${form.name} is created.`);
      onClose();
    } catch (problem) {
      setError(problem as APIError);
    }
  }
  const text = (name: 'name' | 'taskName' | 'cron' | 'timezone', label: string, more: object = {}) => (
    <div>
      <label className="label" htmlFor={`${id}-${name}`}>
        {label}
      </label>
      <input id={`${id}-${name}`} className="field" required autoComplete="off" aria-invalid={Boolean(problemAt(name))} value={form[name]} onChange={set(name)} {...more} />
      {problemAt(name) && <Problem>{problemAt(name)}</Problem>}
    </div>
  );
  const choice = (name: 'priority' | 'overlap' | 'misfire', label: string, options: readonly string[]) => (
    <div>
      <label className="label" htmlFor={`${id}-${name}`}>
        {label}
      </label>
      <select id={`${id}-${name}`} className="field" value={form[name]} onChange={set(name)}>
        {options.map((each) => (
          <option key={each} value={each}>
            {word(each)}
          </option>
        ))}
      </select>
    </div>
  );
  return (
    <Dialog title="New schedule" onClose={onClose} wide>
      <form onSubmit={submit} className="space-y-3">
        <div className="grid gap-3 sm:grid-cols-2">
          {text('name', 'Name', { 'data-focus': true, placeholder: 'nightly report' })}
          {text('taskName', 'Task', { list: `${id}-tasks` })}
          <datalist id={`${id}-tasks`}>{data?.tasks.map((task) => <option key={task.name} value={task.name} />)}</datalist>
          <div>
            {text('cron', 'Cron rule', { className: 'field font-mono' })}
            <p className="mt-1 text-[13px] text-soft" aria-live="polite">
              {words ?? 'Five fields: minute, hour, day of month, month, day of week; or @hourly and the like.'}
            </p>
          </div>
          {text('timezone', 'Time zone')}
          {choice('overlap', 'If the previous job still runs', ['ALLOW', 'SKIP'])}
          {choice('misfire', 'Firings missed while nothing ran', ['RUN_ONCE', 'RUN_ALL', 'SKIP'])}
          {choice('priority', 'Priority', PRIORITIES)}
        </div>
        <PayloadInput text={payload} onChange={setPayload} rows={4} schema={data?.tasks.find((each) => each.name === form.taskName)?.payloadSchema} error={problemAt('payload')} />
        {error && !['name', 'taskName', 'cron', 'timezone', 'payload'].includes(error.field ?? '') && <Problem>{error.message}</Problem>}
        <div className="flex justify-end gap-2 border-t border-line pt-3">
          <Button onClick={onClose}>Close</Button>
          <Button kind="solid" type="submit" disabled={problemOf(payload) !== null}>
            Create schedule
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function Schedules() {
  const readOnly = useReadOnly();
  const navigate = useNavigate();
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<Schedule | null>(null);
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['schedules'],
    queryFn: async ({ signal }) => (await request<{ schedules: Schedule[] }>(SCHEDULES, {}, signal)).schedules,
    refetchInterval: 10_000,
  });
  const why = readOnly ? 'Your key may only read' : null;
  async function change(operation: string, { id }: Schedule, said: string) {
    try {
      const answer = await request<{ triggerSchedule?: { job: { id: string } } }>(operation, { id });
      say(said);
      void cache.invalidateQueries({ queryKey: ['schedules'] });
      if (answer.triggerSchedule) void navigate({ to: '/jobs/$id', params: { id: answer.triggerSchedule.job.id } });
    } catch (problem) {
      say((problem as Error).message, true);
    }
  }
  return (
    <>
      <div className="mb-3 flex items-center justify-between gap-2">
        <h1 className="text-lg font-semibold">Schedules</h1>
        <Action kind="solid" why={why} onClick={() => setAdding(true)}>
          <Plus aria-hidden className="size-4" /> New schedule
        </Action>
      </div>
      <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} />
      {!data ? (
        error ? null : <Skeleton rows={5} />
      ) : data.length === 0 ? (
        <div className="card">
          <Empty title="No schedules yet">
            <p>A schedule creates a job whenever its cron rule says so, in the time zone you choose.</p>
          </Empty>
        </div>
      ) : (
        <ul className="grid grid-cols-[minmax(0,1fr)] gap-3">
          {data.map((each) => (
            <li key={each.id} className="card px-4 py-3">
              <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
                <div className="min-w-0">
                  <h2 className="flex flex-wrap items-center gap-x-2 font-semibold">
                    <CalendarClock aria-hidden className="size-4 text-scheduled" />
                    <span className="wrap-anywhere">{each.name}</span>
                    {each.paused && <span className="rounded bg-raised px-1.5 text-xs font-medium text-queued">Paused</span>}
                  </h2>
                  <p className="wrap-anywhere">{inWords(each.cron) ?? each.cron}</p>
                  <p className="wrap-anywhere text-soft">
                    <code className="font-mono">{each.cron}</code> · {each.timezone} · runs {each.taskName} · {word(each.priority).toLowerCase()} priority
                  </p>
                </div>
                <div className="flex flex-wrap gap-2">
                  <Action why={why} onClick={() => change(TRIGGER_SCHEDULE, each, `${each.name} has created its job.`)}>
                    <Play aria-hidden className="size-4" /> Run now
                  </Action>
                  {each.paused ? (
                    <Action why={why} onClick={() => change(RESUME_SCHEDULE, each, `${each.name} goes on.`)}>
                      <CalendarClock aria-hidden className="size-4" /> Resume
                    </Action>
                  ) : (
                    <Action why={why} onClick={() => change(PAUSE_SCHEDULE, each, `${each.name} is paused.`)}>
                      <Pause aria-hidden className="size-4" /> Pause
                    </Action>
                  )}
                  <Action kind="danger" why={why} aria-label={`Delete ${each.name}`} onClick={() => setDeleting(each)}>
                    <Trash2 aria-hidden className="size-4" />
                  </Action>
                </div>
              </div>
              <dl className="mt-2 flex flex-wrap gap-x-8 gap-y-1 text-[13px]">
                <div className="flex gap-2">
                  <dt className="text-soft">Last</dt>
                  <dd>{each.lastRunAt ? <Age at={each.lastRunAt} /> : 'never'}</dd>
                </div>
                <div className="flex gap-2">
                  <dt className="text-soft">Next</dt>
                  <dd>{each.paused ? 'when resumed' : <Age at={each.nextRunAt} />}</dd>
                </div>
                {!each.paused && (
                  <div className="min-w-0">
                    <dt className="sr-only">Next five</dt>
                    <dd>
                      <details>
                        <summary className="text-soft">Next five firings</summary>
                        <ol className="mt-1 space-y-0.5 font-mono text-xs">
                          {each.nextRuns.map((at) => (
                            <li key={at}>
                              <Moment at={at} />
                            </li>
                          ))}
                        </ol>
                      </details>
                    </dd>
                  </div>
                )}
              </dl>
            </li>
          ))}
        </ul>
      )}
      {adding && <NewSchedule onClose={() => setAdding(false)} />}
      {deleting && (
        <Dialog title={`Delete ${deleting.name}?`} onClose={() => setDeleting(null)}>
          <p className="text-soft">It fires no more. The jobs it has made stay.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setDeleting(null)}>Keep it</Button>
            <Button
              kind="danger"
              data-focus
              onClick={() => {
                void change(DELETE_SCHEDULE, deleting, `${deleting.name} is deleted.`);
                setDeleting(null);
              }}
            >
              Delete schedule
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
