// One subscription for the whole dashboard. It goes on from its last cursor after a broken connection, and holds back
// what arrives while the reader has paused it.
import { createClient } from 'graphql-ws';
import { createStore } from '../lib/store';
import { endpoint, request } from './client';
import { CHANGES, EVENT_CURSOR } from './operations';
import { apply, renew, type Change } from './queries';
import { key, refused, session } from './session';

interface Live {
  connection: 'connecting' | 'live' | 'reconnecting';
  /** Until when what is shown was true; set while reconnecting. */
  dataFrom: number | null;
  paused: boolean;
  held: number;
}

export const live = createStore<Live>({ connection: 'connecting', dataFrom: null, paused: false, held: 0 });
const tell = (change: Partial<Live>) => live.set({ ...live.get(), ...change });

const HELD_AT_MOST = 5000;
const FLUSH_MS = 80;
let cursor: string | null = null;
let waiting: Change[] = [];
/** Something was missed: what is shown is asked for anew, at the end of a pause or once there is a cursor again. */
let isStale = false;
let timer: ReturnType<typeof setTimeout> | undefined;

let used: string | null = null;

const url = endpoint.replace(/^http/, 'ws');
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function flush() {
  timer = undefined;
  if (live.get().paused || waiting.length === 0) return;
  const arrived = waiting;
  waiting = [];
  apply(arrived);
}

function take(change: Change) {
  cursor = change.cursor;
  waiting.push(change);
  if (live.get().paused) {
    if (waiting.length > HELD_AT_MOST) {
      isStale = true;
      waiting = waiting.slice(-HELD_AT_MOST / 2);
    }
    tell({ held: live.get().held + 1 });
  } else timer ??= setTimeout(flush, FLUSH_MS);
}

export function setPaused(paused: boolean) {
  tell({ paused, held: 0 });
  if (paused) return;
  flush();
  renewIfStale();
}

function renewIfStale() {
  if (!isStale || cursor === null || live.get().paused) return;
  isStale = false;
  renew();
}

function lost() {
  if (live.get().connection === 'live') tell({ connection: 'reconnecting', dataFrom: Date.now() });
}

const client = createClient({
  url,
  keepAlive: 8000,
  retryAttempts: Number.POSITIVE_INFINITY,
  retryWait: (tries) => pause(Math.min(300 * 2 ** tries, 2500)),
  shouldRetry: (cause) => !(cause instanceof CloseEvent && cause.code === 4403),
  connectionParams: () => {
    used = key();
    return used ? { Authorization: `Bearer ${used}` } : undefined;
  },
  on: {
    connected() {
      // What changed before the first cursor was asked for, and what no event tells of.
      setTimeout(() => {
        isStale = true;
        renewIfStale();
      }, 250);
      tell({ connection: 'live', dataFrom: null });
    },
    closed: lost,
    ping: (received) => {
      if (received) return;
      clearTimeout(silence);
      silence = setTimeout(() => client.terminate(), 5000);
    },
    pong: (received) => {
      if (received) clearTimeout(silence);
    },
  },
});
let silence: ReturnType<typeof setTimeout> | undefined;

// A socket that was opened with a key ends with it.
session.subscribe(() => {
  if (session.get().state === 'asking') client.terminate();
});

const codeOf = (error: unknown) =>
  Array.isArray(error) ? (error[0] as { extensions?: { code?: string } })?.extensions?.code : undefined;

export async function follow(): Promise<never> {
  for (;;) {
    if (session.get().state === 'asking') {
      await new Promise<void>((resolve) => {
        const stop = session.subscribe(() => {
          if (session.get().state !== 'open') return;
          stop();
          resolve();
        });
      });
    }
    try {
      cursor ??= (await request<{ eventCursor: string }>(EVENT_CURSOR)).eventCursor;
      renewIfStale(); // only now: what changes after this is told of
    } catch {
      await pause(1000); // the lists are asked for as well, and say what is wrong
      continue;
    }
    const problem = await new Promise<unknown>((resolve) =>
      client.subscribe<{ jobStatusChanged: Change }>(
        {
          query: CHANGES,
          variables: {
            get after() {
              return cursor; // read at each try: a retry goes on after the last change that arrived
            },
          },
        },
        {
          next: ({ data, errors }) => (data ? take(data.jobStatusChanged) : resolve(errors)),
          error: resolve,
          complete: () => resolve(null),
        },
      ),
    );
    if (codeOf(problem) === 'CURSOR_EXPIRED') {
      cursor = null;
      isStale = true;
    } else if (
      codeOf(problem) === 'UNAUTHENTICATED' ||
      (problem instanceof CloseEvent && problem.code === 4403)
    ) {
      refused(used);
    } else {
      lost();
      await pause(1000);
    }
  }
}
