// The form of a schedule: its rule is put into words and its next firings are asked of the server as it is typed.
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { type APIError, RawJSON, request } from '../api/client';
import { CREATE_SCHEDULE, TASKS, UPDATE_SCHEDULE } from '../api/operations';
import { cache } from '../api/queries';
import { PRIORITIES, type Schedule, type Task } from '../api/types';
import { PayloadInput, problemOf } from '../jobs/payload';
import { word } from '../lib/format';
import { Button, Dialog, Problem, say } from '../ui/basics';
import { NextFirings, usePreview } from './NextFirings';
import { inWords } from './words';

/** Makes a schedule, or changes one: its name and task stay. */
export function ScheduleForm({ schedule, onClose }: { schedule: Schedule | null; onClose: () => void }) {
  const id = useId();
  const { data } = useQuery({ queryKey: ['tasks'], queryFn: ({ signal }) => request<{ tasks: Task[] }>(TASKS, {}, signal) });
  const stored = schedule?.payloadText ?? '';
  const [form, setForm] = useState(() =>
    schedule
      ? { name: schedule.name, taskName: schedule.taskName, cron: schedule.cron, timezone: schedule.timezone, priority: schedule.priority as string, overlap: schedule.overlap, misfire: schedule.misfire }
      : { name: '', taskName: '', cron: '*/5 * * * *', timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC', priority: 'MEDIUM', overlap: 'ALLOW', misfire: 'RUN_ONCE' },
  );
  const [payload, setPayload] = useState(stored);
  const preview = usePreview(form.cron, form.timezone);
  const [error, setError] = useState<APIError | null>(null);
  const set = (name: keyof typeof form) => (event: { target: { value: string } }) => {
    setError(null);
    setForm({ ...form, [name]: event.target.value });
  };
  const words = inWords(form.cron.trim());
  const problemAt = (field: string) => {
    const found = error ?? preview.refused;
    return found?.field === field || found?.field?.startsWith(`${field}.`) ? found.message : null;
  };
  async function submit(event: FormEvent) {
    event.preventDefault();
    if (problemOf(payload)) return;
    const { name, taskName, ...rule } = { ...form, cron: form.cron.trim(), timezone: form.timezone.trim() };
    const given = payload.trim() ? new RawJSON(payload.trim()) : null;
    try {
      // Untouched, the payload stays byte for byte what it is.
      if (schedule) await request(UPDATE_SCHEDULE, { input: { id: schedule.id, ...rule, ...(payload === stored ? {} : { payload: given }) } });
      else await request(CREATE_SCHEDULE, { input: { name, taskName, ...rule, ...(given ? { payload: given } : {}) } });
      void cache.invalidateQueries({ queryKey: ['schedules'] });
      say(`Schedule ${name} is ${schedule ? 'changed' : 'created'}.`);
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
    <Dialog title={schedule ? `Edit ${schedule.name}` : 'New schedule'} onClose={onClose} wide>
      <form onSubmit={submit} className="space-y-3">
        <div className="grid gap-3 sm:grid-cols-2">
          {!schedule && text('name', 'Name', { 'data-focus': true, placeholder: 'nightly report' })}
          {!schedule && text('taskName', 'Task', { list: `${id}-tasks` })}
          <datalist id={`${id}-tasks`}>{data?.tasks.map((task) => <option key={task.name} value={task.name} />)}</datalist>
          <div>
            {text('cron', 'Cron rule', { className: 'field font-mono', spellCheck: false, ...(schedule ? { 'data-focus': true } : {}) })}
            <p className="mt-1 text-[13px] text-soft" role="status">
              {words ?? 'Five fields: minute, hour, day of month, month, day of week; or @hourly and the like.'}
            </p>
          </div>
          {text('timezone', 'Time zone')}
          <NextFirings {...preview} />
          {choice('overlap', 'If the previous job still runs', ['ALLOW', 'SKIP'])}
          {choice('misfire', 'Firings missed while nothing ran', ['RUN_ONCE', 'RUN_ALL', 'SKIP'])}
          {choice('priority', 'Priority', PRIORITIES)}
        </div>
        <PayloadInput text={payload} onChange={setPayload} rows={4} schema={data?.tasks.find((each) => each.name === form.taskName)?.payloadSchema} error={problemAt('payload')} />
        {error && !['name', 'taskName', 'cron', 'timezone', 'payload'].includes(error.field ?? '') && <Problem>{error.message}</Problem>}
        <div className="flex justify-end gap-2 border-t border-line pt-3">
          <Button onClick={onClose}>Close</Button>
          <Button kind="solid" type="submit" disabled={problemOf(payload) !== null}>
            {schedule ? 'Save changes' : 'Create schedule'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
