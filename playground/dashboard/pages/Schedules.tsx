import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import CalendarClock from 'lucide-react/icons/calendar-clock';
import Pause from 'lucide-react/icons/pause';
import Pencil from 'lucide-react/icons/pencil';
import Play from 'lucide-react/icons/play';
import Plus from 'lucide-react/icons/plus';
import Trash2 from 'lucide-react/icons/trash-2';
import { useState } from 'react';
import { useReadOnly } from '../api/access';
import { request } from '../api/client';
import { DELETE_SCHEDULE, PAUSE_SCHEDULE, RESUME_SCHEDULE, SCHEDULES, TRIGGER_SCHEDULE } from '../api/operations';
import { cache } from '../api/queries';
import type { Schedule } from '../api/types';
import { word } from '../lib/format';
import { LastFirings } from '../schedules/LastFirings';
import { ScheduleForm } from '../schedules/ScheduleForm';
import { inWords } from '../schedules/words';
import { Action, Age, Button, Dialog, Empty, Moment, Skeleton, Trouble, say } from '../ui/basics';

export function Schedules() {
  const readOnly = useReadOnly();
  const navigate = useNavigate();
  const [form, setForm] = useState<{ schedule: Schedule | null } | null>(null);
  const [deleting, setDeleting] = useState<Schedule | null>(null);
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['schedules'],
    queryFn: async ({ signal }) => (await request<{ schedules: Schedule[] }>(SCHEDULES, {}, signal)).schedules,
    refetchInterval: 10_000,
  });
  const why = readOnly ? 'Your key may only read' : null;
  async function change(operation: string, { id }: Schedule, said: string) {
    try {
      const answer = await request<{ triggerSchedule?: { job: { id: string } } }>(operation, { id });
      say(said);
      void cache.invalidateQueries({ queryKey: ['schedules'] });
      if (answer.triggerSchedule) void navigate({ to: '/jobs/$id', params: { id: answer.triggerSchedule.job.id } });
    } catch (problem) {
      say((problem as Error).message, true);
    }
  }
  return (
    <>
      <div className="mb-3 flex items-center justify-between gap-2">
        <h1 className="text-lg font-semibold">Schedules</h1>
        <Action kind="solid" why={why} onClick={() => setForm({ schedule: null })}>
          <Plus aria-hidden className="size-4" /> New schedule
        </Action>
      </div>
      <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} />
      {!data ? (
        error ? null : <Skeleton rows={5} />
      ) : data.length === 0 ? (
        <div className="card">
          <Empty title="No schedules yet">
            <p>A schedule creates a job whenever its cron rule says so, in the time zone you choose.</p>
          </Empty>
        </div>
      ) : (
        <ul className="grid grid-cols-[minmax(0,1fr)] gap-3">
          {data.map((each) => (
            <li key={each.id} className="card px-4 py-3">
              <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
                <div className="min-w-0">
                  <h2 className="flex flex-wrap items-center gap-x-2 font-semibold">
                    <CalendarClock aria-hidden className="size-4 text-scheduled" />
                    <span className="wrap-anywhere">{each.name}</span>
                    {each.paused && <span className="rounded bg-raised px-1.5 text-xs font-medium text-queued">Paused</span>}
                  </h2>
                  <p className="wrap-anywhere">{inWords(each.cron) ?? each.cron}</p>
                  <p className="wrap-anywhere text-soft">
                    <code className="font-mono">{each.cron}</code> · {each.timezone} · runs {each.taskName} · {word(each.priority).toLowerCase()} priority
                  </p>
                </div>
                <div className="flex flex-wrap gap-2">
                  <Action why={why} onClick={() => change(TRIGGER_SCHEDULE, each, `${each.name} has created its job.`)}>
                    <Play aria-hidden className="size-4" /> Run now
                  </Action>
                  {each.paused ? (
                    <Action why={why} onClick={() => change(RESUME_SCHEDULE, each, `${each.name} goes on.`)}>
                      <CalendarClock aria-hidden className="size-4" /> Resume
                    </Action>
                  ) : (
                    <Action why={why} onClick={() => change(PAUSE_SCHEDULE, each, `${each.name} is paused.`)}>
                      <Pause aria-hidden className="size-4" /> Pause
                    </Action>
                  )}
                  <Action why={why} aria-label={`Edit ${each.name}`} onClick={() => setForm({ schedule: each })}>
                    <Pencil aria-hidden className="size-4" /> Edit
                  </Action>
                  <Action kind="danger" why={why} aria-label={`Delete ${each.name}`} onClick={() => setDeleting(each)}>
                    <Trash2 aria-hidden className="size-4" />
                  </Action>
                </div>
              </div>
              <LastFirings schedule={each} />
              <dl className="mt-2 flex flex-wrap gap-x-8 gap-y-1 text-[13px]">
                <div className="flex gap-2">
                  <dt className="text-soft">Last</dt>
                  <dd>{each.lastRunAt ? <Age at={each.lastRunAt} /> : 'never'}</dd>
                </div>
                <div className="flex gap-2">
                  <dt className="text-soft">Next</dt>
                  <dd>{each.paused ? 'when resumed' : <Age at={each.nextRunAt} />}</dd>
                </div>
                {!each.paused && (
                  <div className="min-w-0">
                    <dt className="sr-only">Next five</dt>
                    <dd>
                      <details>
                        <summary className="text-soft">Next five firings</summary>
                        <ol className="mt-1 space-y-0.5 font-mono text-xs">
                          {each.nextRuns.map((at) => (
                            <li key={at}>
                              <Moment at={at} />
                            </li>
                          ))}
                        </ol>
                      </details>
                    </dd>
                  </div>
                )}
              </dl>
            </li>
          ))}
        </ul>
      )}
      {form && <ScheduleForm schedule={form.schedule} onClose={() => setForm(null)} />}
      {deleting && (
        <Dialog title={`Delete ${deleting.name}?`} onClose={() => setDeleting(null)}>
          <p className="text-soft">It fires no more. The jobs it has made stay.</p>
          <div className="mt-4 flex justify-end gap-2">
            <Button onClick={() => setDeleting(null)}>Keep it</Button>
            <Button
              kind="danger"
              data-focus
              onClick={() => {
                void change(DELETE_SCHEDULE, deleting, `${deleting.name} is deleted.`);
                setDeleting(null);
              }}
            >
              Delete schedule
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
