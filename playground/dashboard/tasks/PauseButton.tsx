import Pause from 'lucide-react/icons/pause';
import Play from 'lucide-react/icons/play';
import { useState } from 'react';
import { useReadOnly } from '../api/access';
import { request } from '../api/client';
import { PAUSE_TASK, RESUME_TASK } from '../api/operations';
import { cache } from '../api/queries';
import type { Task } from '../api/types';
import { Button, say } from '../ui/basics';

export type Pausable = Pick<Task, 'name' | 'paused'>;

/** Pauses a task or resumes it; nothing is shown to those who may only read. */
export function PauseButton({ task: { name, paused } }: { task: Pausable }) {
  const readOnly = useReadOnly();
  const [busy, setBusy] = useState(false);
  if (readOnly) return null;
  async function change() {
    setBusy(true);
    try {
      await request(paused ? RESUME_TASK : PAUSE_TASK, { name });
      say(paused ? `${name} goes on.` : `${name} is paused.`);
    } catch (problem) {
      say((problem as Error).message, true);
    }
    await Promise.all(['overview', 'job', 'tasks'].map((key) => cache.invalidateQueries({ queryKey: [key] })));
    setBusy(false);
  }
  const Icon = paused ? Play : Pause;
  const verb = paused ? 'Resume' : 'Pause';
  return (
    <Button disabled={busy} aria-label={`${verb} ${name}`} className="shrink-0" onClick={change}>
      <Icon aria-hidden className="size-4" /> {verb}
    </Button>
  );
}
