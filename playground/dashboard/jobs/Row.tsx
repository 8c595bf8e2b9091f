import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import { useReadOnly } from '../api/access';
import { ENDED } from '../api/queries';
import type { JobRow } from '../api/types';
import { Age, Button, Elapsed } from '../ui/basics';
import { Priority, Status } from '../ui/status';
import { act, type ActionName, ACTIONS, whyNot } from './actions';

function RowAction({ action, job }: { action: ActionName; job: JobRow }) {
  const why = whyNot(action, job.status, useReadOnly());
  const { Icon, label } = ACTIONS[action];
  return (
    <Button
      kind="bare"
      className="px-1.5! disabled:border-transparent! disabled:bg-transparent! disabled:opacity-35"
      disabled={why !== null}
      title={why ? `${label}: ${why}` : label}
      aria-label={`${label} job ${job.id}`}
      onClick={() => act(action, job)}
    >
      <Icon aria-hidden className="size-4" />
    </Button>
  );
}

export const Row = memo(function Row({ job, selected, onSelect }: { job: JobRow; selected: boolean; onSelect: (id: string) => void }) {
  return (
    <tr data-job={job.id} className={`group border-t border-line focus-within:bg-tint hover:bg-raised ${selected ? 'bg-tint' : ''}`}>
      <td className="w-9 py-2 pl-3">
        <input type="checkbox" className="size-4 accent-solid" aria-label={`Select job ${job.id}`} checked={selected} onChange={() => onSelect(job.id)} />
      </td>
      <td className="px-3 py-2">
        <Status status={job.status} />
        {job.status === 'RUNNING' && job.progress !== null && (
          <progress className="mt-1 block h-1 w-20 " max={1} value={job.progress} aria-label={`Progress of job ${job.id}`} />
        )}
      </td>
      <td className="max-w-0 min-w-32 px-3 py-2 max-md:w-full">
        <Link to="/jobs/$id" params={{ id: job.id }} data-job-link className="block truncate font-medium hover:text-accent hover:underline" title={job.taskName}>
          {job.taskName}
        </Link>
        <span className="flex items-center gap-1.5 overflow-hidden text-xs text-soft">
          <span className="font-mono">#{job.id}</span>
          <span className="sm:hidden">
            <Age at={job.createdAt} />
          </span>
          {job.tags.slice(0, 3).map((tag) => (
            <span key={tag} className="max-w-28 truncate rounded bg-raised px-1.5 group-hover:bg-card" title={tag}>
              {tag}
            </span>
          ))}
          {job.tags.length > 3 && <span>+{job.tags.length - 3}</span>}
        </span>
      </td>
      <td className="hidden max-w-0 px-3 py-2 lg:table-cell">
        {job.status === 'FAILED' && job.error ? (
          <span className="block truncate text-[13px] text-failed" title={job.error.message.slice(0, 500)}>
            {job.error.message.slice(0, 200)}
          </span>
        ) : (
          <code className="block truncate font-mono text-[13px] text-soft">{job.payloadPreview ?? '–'}</code>
        )}
      </td>
      <td className="hidden px-3 py-2 md:table-cell">
        <Priority priority={job.priority} />
      </td>
      <td className="hidden px-3 py-2 text-right tabular-nums text-soft md:table-cell">
        {job.attempt}/{job.maxAttempts}
      </td>
      <td className="hidden px-3 py-2 text-right text-soft tabular-nums sm:table-cell">
        <Age at={job.createdAt} />
      </td>
      <td className="hidden px-3 py-2 text-right text-soft sm:table-cell">
        <Elapsed from={job.status === 'RUNNING' || ENDED.includes(job.status) ? job.startedAt : null} to={job.finishedAt} />
      </td>
      <td className="hidden py-1 pr-2 text-right whitespace-nowrap sm:table-cell">
        <RowAction action={ENDED.includes(job.status) ? 'retry' : 'run'} job={job} />
        <RowAction action="cancel" job={job} />
        <RowAction action="delete" job={job} />
      </td>
    </tr>
  );
});
