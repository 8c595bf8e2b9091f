import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import ExternalLink from 'lucide-react/icons/external-link';
import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { APIError, body, endpoint, inGraphiQL, RawJSON, request } from '../api/client';
import { CREATE_JOB, TASKS } from '../api/operations';
import { refresh } from '../api/queries';
import { key } from '../api/session';
import { PRIORITIES, type JobRow, type Task } from '../api/types';
import { word } from '../lib/format';
import { Button, ButtonLink, CopyButton, Dialog, Problem, say } from '../ui/basics';
import { PayloadInput, problemOf } from './payload';

const WHEN = { hold: 'Hold until somebody runs it', run: 'Run now', at: 'Run at a time' } as const;

// What the person reads when they paste it or open it: the payload stands in it as it was typed.
const MUTATION = `mutation CreateJob($input: CreateJobInput!) {
  createJob(input: $input) {
    job {
      id
      status
    }
  }
}
`;
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function Field({ label, error, id, children }: { label: string; error?: string | null; id: string; children: ReactNode }) {
  return (
    <div>
      <label className="label" htmlFor={id}>
        {label}
      </label>
      {children}
      {error && <Problem>{error}</Problem>}
    </div>
  );
}

export function AddJob({ onClose }: { onClose: () => void }) {
  const id = useId();
  const navigate = useNavigate();
  const { data } = useQuery({ queryKey: ['tasks'], queryFn: ({ signal }) => request<{ tasks: Task[] }>(TASKS, {}, signal) });
  const [taskName, setTaskName] = useState('');
  const [payload, setPayload] = useState('');
  const [priority, setPriority] = useState<string>('MEDIUM');
  const [tags, setTags] = useState('');
  const [when, setWhen] = useState<keyof typeof WHEN>('run');
  const [at, setAt] = useState('');
  const [error, setError] = useState<APIError | null>(null);
  const [busy, setBusy] = useState(false);
  const schema = data?.tasks.find((each) => each.name === taskName)?.payloadSchema;
  const description = data?.tasks.find((each) => each.name === taskName)?.description;

  const input = {
    taskName,
    ...(payload.trim() && !problemOf(payload) ? { payload: new RawJSON(payload.trim()) } : {}),
    priority,
    tags: tags.split(/[\s,]+/).filter(Boolean),
    ...(when === 'run' ? { run: true } : {}),
    ...(when === 'at' && at ? { runAt: new Date(at).toISOString() } : {}),
  };
  const sent = body(MUTATION, { input });
  const curl = `curl -s ${quoted(endpoint)} -H 'content-type: application/json'${key() ? " -H 'authorization: Bearer KEY'" : ''} -d ${quoted(sent)}`;
  const problemAt = (field: string) => (error?.field === field || error?.field?.startsWith(`${field}.`) ? error.message : null);
  const known = ['taskName', 'payload', 'priority', 'tags', 'runAt'];

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (problemOf(payload)) return;
    if (when === 'at' && !at) {
      setError(new APIError('Say when: a date and a time.', 'BAD_USER_INPUT', 'runAt'));
      return;
    }
    setBusy(true);
    setError(null);
    try {
      const { createJob } = await request<{ createJob: { job: JobRow } }>(CREATE_JOB, { input });
      refresh(['jobs'], 0);
      refresh(['counts'], 0);
      say(`Job ${createJob.job.id} is created.`);
      onClose();
      void navigate({ to: '/jobs' });
    } catch (problem) {
      setError(problem as APIError);
    } finally {
      setBusy(false);
    }
  }

  return (
    <Dialog title="New job" onClose={onClose} wide>
      <form onSubmit={submit} className="space-y-3">
        <Field label="Task" id={`${id}-task`} error={problemAt('taskName')}>
          <input
            id={`${id}-task`}
            className="field"
            list={`${id}-tasks`}
            required
            data-focus
            autoComplete="off"
            maxLength={255}
            placeholder="Send Test Email"
            aria-invalid={Boolean(problemAt('taskName'))}
            value={taskName}
            onChange={(event) => setTaskName(event.target.value)}
          />
          <datalist id={`${id}-tasks`}>{data?.tasks.map((task) => <option key={task.name} value={task.name} />)}</datalist>
          {description && <p className="mt-1 line-clamp-2 text-[13px] text-soft">{description}</p>}
        </Field>
        <PayloadInput text={payload} onChange={setPayload} schema={schema} error={problemAt('payload')} />
        <div className="grid gap-3 sm:grid-cols-2">
          <Field label="Priority" id={`${id}-priority`} error={problemAt('priority')}>
            <select id={`${id}-priority`} className="field" value={priority} onChange={(event) => setPriority(event.target.value)}>
              {PRIORITIES.map((each) => (
                <option key={each} value={each}>
                  {word(each)}
                </option>
              ))}
            </select>
          </Field>
          <Field label="Tags" id={`${id}-tags`} error={problemAt('tags')}>
            <input id={`${id}-tags`} className="field" placeholder="billing nightly" value={tags} onChange={(event) => setTags(event.target.value)} />
          </Field>
        </div>
        <fieldset>
          <legend className="label">When</legend>
          <div className="flex flex-wrap gap-x-5 gap-y-1">
            {(Object.keys(WHEN) as (keyof typeof WHEN)[]).map((each) => (
              <label key={each} className="flex items-center gap-1.5">
                <input type="radio" name={`${id}-when`} className="accent-solid" checked={when === each} onChange={() => setWhen(each)} />
                {WHEN[each]}
              </label>
            ))}
          </div>
          {when === 'at' && (
            <div className="mt-2">
              <input
                type="datetime-local"
                aria-label="Time to run at, in your own zone"
                className="field sm:w-auto!"
                aria-invalid={Boolean(problemAt('runAt'))}
                value={at}
                onChange={(event) => setAt(event.target.value)}
              />
              <p className="mt-1 text-xs text-soft">In your zone: {Intl.DateTimeFormat().resolvedOptions().timeZone}</p>
            </div>
          )}
          {problemAt('runAt') && <Problem>{problemAt('runAt')}</Problem>}
        </fieldset>
        {error && !known.some((field) => problemAt(field)) && <Problem>{error.message}</Problem>}
        <div className="flex flex-wrap items-center justify-between gap-2 border-t border-line pt-3">
          <div className="flex flex-wrap">
            <CopyButton text={curl} what="as curl" label="curl" />
            <ButtonLink className="px-2!" href={inGraphiQL(MUTATION, { input })} title="Open in GraphiQL, in a new tab">
              <ExternalLink aria-hidden className="size-4" /> GraphiQL
            </ButtonLink>
          </div>
          <div className="flex gap-2">
            <Button onClick={onClose}>Close</Button>
            <Button kind="solid" type="submit" disabled={busy || problemOf(payload) !== null}>
              Create job
            </Button>
          </div>
        </div>
      </form>
    </Dialog>
  );
}
