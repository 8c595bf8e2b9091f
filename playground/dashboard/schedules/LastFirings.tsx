// What became of a schedule's last firings: bars for the eye, and the same in words.
import { Link } from '@tanstack/react-router';
import type { Firing, JobStatus, Schedule } from '../api/types';
import { plural, word } from '../lib/format';

// Their heights tell them apart where colours do not.
const BARS: Record<JobStatus | 'LEFT_OUT', string> = {
  COMPLETED: 'h-5 bg-completed',
  FAILED: 'h-2.5 bg-failed',
  CANCELLED: 'h-1.5 bg-cancelled',
  RUNNING: 'h-3.5 bg-running',
  QUEUED: 'h-1.5 bg-queued',
  SCHEDULED: 'h-1.5 bg-scheduled',
  PENDING: 'h-1.5 bg-pending',
  LEFT_OUT: 'h-0.5 bg-edge',
};
const ORDER = ['COMPLETED', 'FAILED', 'CANCELLED', 'RUNNING', 'QUEUED', 'SCHEDULED', 'PENDING', 'LEFT_OUT'] as const;
const stateOf = (firing: Firing) => firing.job?.status ?? 'LEFT_OUT';

export function LastFirings({ schedule: { name, lastFirings } }: { schedule: Schedule }) {
  if (lastFirings.length === 0) return null;
  const count = (state: (typeof ORDER)[number]) => lastFirings.filter((each) => stateOf(each) === state).length;
  const told = ORDER.filter(count).map((each) => `${count(each)} ${word(each).toLowerCase()}`);
  const failed = lastFirings.find((each) => each.job?.status === 'FAILED')?.job;
  return (
    <div className="mt-2 flex flex-wrap items-end gap-x-3 gap-y-1 text-[13px]">
      <span role="img" aria-label={`Last ${plural(lastFirings.length, 'firing')} of ${name}: ${told.join(', ')}`} className="flex h-5 items-end gap-0.5">
        {lastFirings.toReversed().map((each) => (
          <span key={each.at} title={word(stateOf(each))} className={`w-1.5 rounded-sm ${BARS[stateOf(each)]}`} />
        ))}
      </span>
      <span className="text-soft">
        {told.join(', ')}
        {failed && (
          <>
            ;{' '}
            <Link to="/jobs/$id" params={{ id: failed.id }} className="text-accent underline">
              last failure
            </Link>
          </>
        )}
      </span>
    </div>
  );
}
