// What every client does: create a job, watch it, run it, lose the connection, and go on after the last cursor.
import WebSocket from 'ws';

export const WATCH = `subscription Watch($id: ID, $after: String) {
  jobStatusChanged(id: $id, after: $after) { cursor to job { id status } }
}`;
export const CREATE = `mutation Create($input: CreateJobInput!) { createJob(input: $input) { job { id status } } }`;
export const RUN = `mutation Run($id: ID!) { runJob(id: $id) { job { id status } } }`;
export const JOB = `query Job($id: ID!) { job(id: $id) { id status result } }`;
const PATIENCE_MS = 30_000;

export const [httpUrl] = process.argv.slice(2);
export const wsUrl = httpUrl.replace('http', 'ws');

/** A websocket whose connection can be cut as a network cuts it: without a farewell. */
export class BrittleSocket extends WebSocket {
  static last;
  constructor(...given) {
    super(...given);
    BrittleSocket.last = this;
  }
}
export const cutSocket = () => BrittleSocket.last.terminate();

/**
 * `execute(document, variables)` resolves to the data. `watch(document, variables, sink)` subscribes; the sink has `next(data)`,
 * `error(reason)` and `complete()`. `cut()` breaks the connection that the last subscription uses.
 */
export async function play({ execute, watch, cut, close = () => {} }) {
  const { id } = (await execute(CREATE, { input: { taskName: 'nap', payload: { seconds: 0.3 } } })).createJob.job;
  const seen = [];
  const ends = [];
  // Resolves when the change is there, or when the connection is lost.
  const follow = (until, after) =>
    new Promise((resolve) =>
      watch(WATCH, { id, after }, {
        next: async (data) => {
          const change = data.jobStatusChanged;
          seen.push({ cursor: change.cursor, to: change.to, status: change.job.status });
          await until(change.to, resolve);
        },
        error: (reason) => resolve(ends.push(String(reason?.code ?? reason?.message ?? reason))),
        complete: () => resolve(ends.push('complete')),
      }),
    );
  const deadline = setTimeout(() => {
    console.error('not done in time', JSON.stringify(seen), ends);
    process.exit(1);
  }, PATIENCE_MS);
  await follow(async (to) => {
    if (to === 'PENDING') await execute(RUN, { id });
    if (to === 'QUEUED') cut();
  }, '0');
  await follow((to, resolve) => to === 'COMPLETED' && resolve(), seen.at(-1).cursor);
  const { job } = await execute(JOB, { id });
  clearTimeout(deadline);
  console.log(JSON.stringify({ seen, ends, job }));
  await close();
  process.exit(0);
}
