// What can be done with jobs: one at a time, or all that match a filter.
import Ban from 'lucide-react/icons/ban';
import Play from 'lucide-react/icons/play';
import RotateCcw from 'lucide-react/icons/rotate-ccw';
import Trash2 from 'lucide-react/icons/trash-2';
import { useEffect, useState } from 'react';
import { request } from '../api/client';
import * as operations from '../api/operations';
import { apply, cache, removed } from '../api/queries';
import type { JobRow, JobStatus } from '../api/types';
import { plural, word } from '../lib/format';
import { createStore, useStore } from '../lib/store';
import { Button, Dialog, Problem, say } from '../ui/basics';

export const ACTIONS = {
  run: { Icon: Play, label: 'Run now', done: 'is queued', from: ['PENDING', 'SCHEDULED'], one: operations.RUN, all: operations.RUN_ALL, asks: false },
  retry: { Icon: RotateCcw, label: 'Retry', done: 'is queued again', from: ['COMPLETED', 'FAILED', 'CANCELLED'], one: operations.RETRY, all: operations.RETRY_ALL, asks: false },
  cancel: { Icon: Ban, label: 'Cancel', done: 'is being cancelled', from: ['PENDING', 'SCHEDULED', 'QUEUED', 'RUNNING'], one: operations.CANCEL, all: operations.CANCEL_ALL, asks: true },
  delete: { Icon: Trash2, label: 'Delete', done: 'is deleted', from: ['PENDING', 'SCHEDULED', 'QUEUED', 'COMPLETED', 'FAILED', 'CANCELLED'], one: operations.DELETE, all: operations.DELETE_ALL, asks: true },
} as const;
export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];

/** Why an action cannot be taken; null when it can. */
export function whyNot(action: ActionName, status: JobStatus, readOnly: boolean): string | null {
  if (readOnly) return 'Your key may only read';
  const { from } = ACTIONS[action];
  if ((from as readonly JobStatus[]).includes(status)) return null;
  return `The job is ${status}; it must be ${from.map(word).join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
}

type Target = Pick<JobRow, 'id' | 'taskName'>;

async function perform(action: ActionName, job: Target): Promise<void> {
  const answer = await request<Record<string, { job?: JobRow; id?: string }>>(ACTIONS[action].one, { id: job.id });
  const [{ job: changed }] = Object.values(answer) as [{ job?: JobRow }];
  if (changed) apply([{ cursor: '', from: null, to: changed.status, at: changed.updatedAt, job: changed }]);
  else removed([job.id]);
  say(`Job ${job.id} ${ACTIONS[action].done}.`);
}

interface Question {
  action: ActionName;
  job: Target;
  then?: () => void;
}
const question = createStore<Question | null>(null);

/** Acts at once, or asks first where something is lost. */
export function act(action: ActionName, job: Target, then?: () => void) {
  if (ACTIONS[action].asks) question.set({ action, job, then });
  else perform(action, job).then(then, (error: Error) => say(error.message, true));
}

export function Confirmation() {
  const asked = useStore(question);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => setProblem(null), [asked]);
  if (!asked) return null;
  const { action, job, then } = asked;
  const { label, Icon } = ACTIONS[action];
  const close = () => question.set(null);
  async function confirm() {
    setBusy(true);
    try {
      await perform(action, job);
      close();
      then?.();
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  }
  return (
    <Dialog title={`${label} job ${job.id}?`} onClose={close}>
      <p className="mb-4 wrap-anywhere text-soft">
        {action === 'cancel'
          ? `${job.taskName} is stopped. If it is running, its task is interrupted. It can be retried later.`
          : `${job.taskName} and all that is known of it, its attempts and logs included, is gone for good.`}
      </p>
      {problem && <Problem>{problem}</Problem>}
      <div className="mt-4 flex flex-wrap justify-end gap-2">
        <Button onClick={close}>Keep it</Button>
        <Button kind="danger" data-focus disabled={busy} onClick={confirm}>
          <Icon aria-hidden className="size-4" />
          {label} job
        </Button>
      </div>
    </Dialog>
  );
}

export interface BulkFilter {
  ids?: string[];
  status?: JobStatus[];
  priority?: string[];
  taskName?: string;
  tag?: string;
  createdAfter?: string;
  createdBefore?: string;
}

/** Says how many jobs an action would change, before it changes exactly those. */
export function BulkDialog({ action, filter, onClose, onDone }: { action: ActionName; filter: BulkFilter; onClose: () => void; onDone: () => void }) {
  const { label, all, Icon, from } = ACTIONS[action];
  const [count, setCount] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    request<Record<string, { count: number }>>(all, { filter, dryRun: true }, stop.signal).then(
      (answer) => setCount(Object.values(answer)[0].count),
      (error: Error) => stop.signal.aborted || setProblem(error.message),
    );
    return () => stop.abort();
  }, [all, filter]);
  async function confirm() {
    setBusy(true);
    try {
      const answer = await request<Record<string, { count: number }>>(all, { filter, dryRun: false });
      say(`${label}: ${plural(Object.values(answer)[0].count, 'job')}.`);
      void cache.invalidateQueries();
      onDone();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }
  return (
    <Dialog title={`${label}: ${count === null ? 'counting…' : plural(count, 'job')}`} onClose={onClose}>
      <p className="text-soft" data-testid="bulk-preview">
        {count === null
          ? 'Asking the server how many jobs this would change…'
          : `The server would change ${plural(count, 'job')}: those that match and are ${from.map(word).join(', ')}.`}{' '}
        {filter.createdBefore && 'Jobs created from now on are left alone.'}
        {action === 'delete' && ' What is deleted is gone for good.'}
      </p>
      {problem && <Problem>{problem}</Problem>}
      <div className="mt-4 flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Back</Button>
        <Button kind={ACTIONS[action].asks ? 'danger' : 'solid'} disabled={!count || busy} onClick={confirm}>
          <Icon aria-hidden className="size-4" />
          {label} {count ? plural(count, 'job') : ''}
        </Button>
      </div>
    </Dialog>
  );
}
