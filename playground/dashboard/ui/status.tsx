import Ban from 'lucide-react/icons/ban';
import CircleCheck from 'lucide-react/icons/circle-check';
import CircleDashed from 'lucide-react/icons/circle-dashed';
import CirclePause from 'lucide-react/icons/circle-pause';
import CircleX from 'lucide-react/icons/circle-x';
import Clock from 'lucide-react/icons/clock';
import LoaderCircle from 'lucide-react/icons/loader-circle';
import type { DeliveryStatus, JobPriority, JobStatus } from '../api/types';
import { word } from '../lib/format';

export const LOOK = {
  PENDING: { Icon: CirclePause, colour: 'text-pending' },
  SCHEDULED: { Icon: Clock, colour: 'text-scheduled' },
  QUEUED: { Icon: CircleDashed, colour: 'text-queued' },
  RUNNING: { Icon: LoaderCircle, colour: 'text-running' },
  COMPLETED: { Icon: CircleCheck, colour: 'text-completed' },
  FAILED: { Icon: CircleX, colour: 'text-failed' },
  CANCELLED: { Icon: Ban, colour: 'text-cancelled' },
} as const;

export function Status({ status }: { status: JobStatus }) {
  const { Icon, colour } = LOOK[status];
  return (
    <span className={`inline-flex items-center gap-1.5 font-medium whitespace-nowrap ${colour}`}>
      <Icon aria-hidden className={`size-4 shrink-0 ${status === 'RUNNING' ? 'spin' : ''}`} />
      {word(status)}
    </span>
  );
}

const DELIVERY_LOOK = { PENDING: LOOK.QUEUED, DELIVERED: LOOK.COMPLETED, FAILED: LOOK.FAILED } as const;

export function DeliveryState({ status }: { status: DeliveryStatus }) {
  const { Icon, colour } = DELIVERY_LOOK[status];
  return (
    <span className={`inline-flex items-center gap-1.5 font-medium whitespace-nowrap ${colour}`}>
      <Icon aria-hidden className="size-4 shrink-0" />
      {word(status)}
    </span>
  );
}

const LEVELS = { HIGH: 3, MEDIUM: 2, LOW: 1 } as const;

export function Priority({ priority }: { priority: JobPriority }) {
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap text-soft">
      <span aria-hidden className="flex items-end gap-0.5">
        {[1, 2, 3].map((bar) => (
          <span
            key={bar}
            className={`w-1 rounded-sm ${bar === 1 ? 'h-1.5' : bar === 2 ? 'h-2.5' : 'h-3.5'} ${bar <= LEVELS[priority] ? 'bg-soft' : 'bg-line'}`}
          />
        ))}
      </span>
      {word(priority)}
    </span>
  );
}
