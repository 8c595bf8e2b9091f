import { useState } from 'react';
import { Link } from '@tanstack/react-router';
import type { ListedTask } from '../api/types';
import { Button } from '../ui/basics';
import { PauseButton } from './PauseButton';

const SHOWN_AT_ONCE = 6;

/** How many of its jobs run at once, of a concurrency key, and how often one is started; nothing for a task without limits. */
function limitsOf({ maxConcurrency, maxConcurrencyPerKey, rateLimit }: ListedTask): string {
  const found = [
    maxConcurrency !== null && `${maxConcurrency} at once`,
    maxConcurrencyPerKey !== null && `${maxConcurrencyPerKey} of a key`,
    rateLimit,
  ].filter(Boolean);
  return found.length > 0 ? `At most ${found.join(', ')}` : '';
}

/** Every task that workers have declared. Those that are paused come first, so that none of them is out of sight. */
export function TaskList({ tasks }: { tasks: ListedTask[] }) {
  const [all, setAll] = useState(false);
  const sorted = tasks.toSorted((one, other) => Number(other.paused) - Number(one.paused));
  return (
    <>
      <ul className="divide-y divide-line">
        {(all ? sorted : sorted.slice(0, SHOWN_AT_ONCE)).map((each) => (
          <li key={each.name} className="flex items-center gap-3 px-4 py-2">
            <div className="min-w-0 grow">
              <p className="flex flex-wrap items-center gap-x-2">
                <Link to="/jobs" search={{ task: each.name }} className="min-w-0 font-medium wrap-anywhere hover:text-accent hover:underline">
                  {each.name}
                </Link>
                {each.paused && <span className="rounded bg-raised px-1.5 text-xs font-medium text-queued">Paused</span>}
              </p>
              {each.description && <p className="truncate text-[13px] text-soft">{each.description.split('\n')[0]}</p>}
              {limitsOf(each) && <p className="text-[13px] text-soft">{limitsOf(each)}</p>}
            </div>
            <PauseButton task={each} />
          </li>
        ))}
      </ul>
      {tasks.length > SHOWN_AT_ONCE && (
        <p className="border-t border-line px-2 py-1">
          <Button kind="bare" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? 'Show fewer' : `Show all ${tasks.length}`}
          </Button>
        </p>
      )}
    </>
  );
}
