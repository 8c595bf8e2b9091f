// What a new server shows instead of jobs: how to make the first one.
import { useReadOnly } from '../api/access';
import { endpoint, request } from '../api/client';
import { CREATE_JOBS } from '../api/operations';
import { refresh } from '../api/queries';
import { Action, CopyButton, Empty, say } from '../ui/basics';

const EXAMPLE = `curl -s '${endpoint}' -H 'content-type: application/json' -d '{"query":"mutation { createJob(input: {taskName: \\"Send Test Email\\", payload: {email: \\"example@test.com\\"}, run: true}) { job { id status } } }"}'`;

const SAMPLES = [
  { taskName: 'simulate', payload: { seconds: 8, steps: 20 }, priority: 'HIGH', run: true, tags: ['sample'] },
  { taskName: 'simulate', payload: { seconds: 2 }, run: true, tags: ['sample'] },
  { taskName: 'simulate', payload: { seconds: 1, fail: 'The printer is on fire.' }, maxAttempts: 1, run: true, tags: ['sample'] },
  { taskName: 'simulate', payload: { fail_times: 1 }, priority: 'LOW', run: true, tags: ['sample'] },
  { taskName: 'simulate', payload: { seconds: 3 }, tags: ['sample'] },
];

export function NothingYet() {
  const readOnly = useReadOnly();
  return (
    <Empty title="No jobs yet">
      <p>Create one from a shell, and watch it appear here:</p>
      <div className="flex max-w-full items-center gap-1 rounded-md border border-line bg-raised py-1 pr-1 pl-3 text-left">
        <code className="max-w-xl min-w-0 overflow-x-auto font-mono text-xs whitespace-nowrap" tabIndex={0}>
          {EXAMPLE}
        </code>
        <CopyButton text={EXAMPLE} what="the command" />
      </div>
      <Action
        why={readOnly ? 'Your key may only read' : null}
        onClick={() =>
          request(CREATE_JOBS, { inputs: SAMPLES }).then(
            () => ['jobs', 'overview'].forEach((key) => refresh([key], 0)),
            (error: Error) => say(error.message, true),
          )
        }
      >
        Create five sample jobs
      </Action>
    </Empty>
  );
}
