// One delivery: where it stands, and on demand what was sent and what came back.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import ChevronDown from 'lucide-react/icons/chevron-down';
import Send from 'lucide-react/icons/send';
import { useState } from 'react';
import { useReadOnly } from '../api/access';
import { request } from '../api/client';
import { DELIVERY_DETAIL, REDELIVER } from '../api/operations';
import { cache } from '../api/queries';
import type { Delivery as Listed, DeliveryDetail, DeliveryTry } from '../api/types';
import { bytes, duration, plural, word } from '../lib/format';
import { indented } from '../jobs/payload';
import { Action, Age, Button, CopyButton, Moment, Skeleton, say, Trouble } from '../ui/basics';
import { DeliveryState } from '../ui/status';

const SHOWN_AT_ONCE = 20_000;

export const cameBack = (one: DeliveryTry) => (one.responseStatus ? `HTTP ${one.responseStatus}` : 'no response');

export function Sent({ body }: { body: string }) {
  const [pretty, setPretty] = useState(false);
  const [whole, setWhole] = useState(false);
  const isLong = body.length > SHOWN_AT_ONCE;
  return (
    <section aria-label="Request body" className="min-w-0">
      <div className="flex flex-wrap items-center justify-between gap-x-2">
        <h3 className="text-[13px] font-medium">
          Request body <span className="font-normal text-soft">{bytes(body)}</span>
        </h3>
        <span className="flex">
          {!isLong && (
            <Button kind="bare" className="px-2! text-[13px]" aria-pressed={pretty} onClick={() => setPretty(!pretty)}>
              {pretty ? 'As sent' : 'Indent'}
            </Button>
          )}
          <CopyButton text={body} what="the request body" />
        </span>
      </div>
      <pre tabIndex={0} data-testid="request-body" className="max-h-72 overflow-auto rounded-md bg-raised p-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap">
        {isLong && !whole ? body.slice(0, SHOWN_AT_ONCE) : pretty && !isLong ? indented(body) : body}
      </pre>
      {isLong && !whole && (
        <Button className="mt-2" onClick={() => setWhole(true)}>
          Show all {bytes(body)}
        </Button>
      )}
    </section>
  );
}

function Tries({ tries }: { tries: DeliveryDetail['tries'] }) {
  return (
    <section aria-label="Tries" className="min-w-0">
      <h3 className="mb-1 text-[13px] font-medium">Tries</h3>
      {tries.length === 0 ? (
        <p className="text-soft">None yet.</p>
      ) : (
        <ol className="space-y-2">
          {tries.toReversed().map((one, at) => (
            <li key={`${one.at}-${at}`} className="rounded-md border border-line px-3 py-2">
              <p className="flex flex-wrap gap-x-3">
                <span className="font-medium">Try {tries.length - at}</span>
                <span className={one.error ? 'text-failed' : 'text-completed'}>{cameBack(one)}</span>
                <span className="text-soft tabular-nums">{duration(one.durationMs)}</span>
                <span className="text-soft">
                  <Moment at={one.at} />
                </span>
              </p>
              {one.error && <p className="wrap-anywhere text-failed">{one.error}</p>}
              {one.responseBody && (
                <pre tabIndex={0} aria-label={`Response to try ${tries.length - at}`} className="mt-1 max-h-48 overflow-auto rounded-md bg-raised p-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap">
                  {one.responseBody}
                </pre>
              )}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Detail({ listed }: { listed: Listed }) {
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    // Another try is another answer; what was shown stays until it is there.
    queryKey: ['webhooks', 'delivery', listed.id, listed.status, listed.tries.length],
    queryFn: async ({ signal }) => (await request<{ webhookDelivery: DeliveryDetail | null }>(DELIVERY_DETAIL, { id: listed.id }, signal)).webhookDelivery,
    placeholderData: (before) => before,
  });
  if (data === undefined) return error ? <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} /> : <Skeleton rows={3} />;
  if (data === null) return <p className="py-2 text-soft">It was deleted with its job.</p>;
  return (
    <div className="space-y-3 pt-2 pb-1">
      <dl className="flex flex-wrap gap-x-6 text-[13px]">
        <div className="flex min-w-0 gap-2">
          <dt className="text-soft">webhook-id</dt>
          <dd className="min-w-0 font-mono wrap-anywhere">{data.id}</dd>
        </div>
        <div className="flex min-w-0 gap-2">
          <dt className="text-soft">Created</dt>
          <dd>
            <Moment at={data.createdAt} />
          </dd>
        </div>
      </dl>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-[repeat(2,minmax(0,1fr))]">
        <Sent body={data.body} />
        <Tries tries={data.tries} />
      </div>
    </div>
  );
}

/** Sends one again; what the server refuses, it says why. */
async function resend({ id }: Listed) {
  try {
    await request(REDELIVER, { id });
    say('It is being sent again.');
    void cache.invalidateQueries({ queryKey: ['webhooks'] });
    void cache.invalidateQueries({ queryKey: ['job'] });
  } catch (problem) {
    say((problem as Error).message, true);
  }
}

export function Delivery({ delivery, withJob }: { delivery: Listed; withJob?: boolean }) {
  const readOnly = useReadOnly();
  const [open, setOpen] = useState(false);
  const last = delivery.tries.at(-1);
  return (
    <li data-delivery={delivery.id} className="px-3 py-2 sm:px-4">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <div className="min-w-0 grow basis-64">
          <p className="flex flex-wrap items-center gap-x-3">
            <DeliveryState status={delivery.status} />
            <span className="text-soft">{word(delivery.event)}</span>
            {withJob && (
              <Link to="/jobs/$id" params={{ id: delivery.job.id }} className="min-w-0 truncate font-medium hover:text-accent hover:underline">
                {delivery.job.taskName} <span className="font-mono text-xs font-normal text-soft">#{delivery.job.id}</span>
              </Link>
            )}
          </p>
          <p className="truncate font-mono text-[13px] text-soft" title={delivery.url}>
            {delivery.url}
          </p>
          <p className="flex flex-wrap gap-x-3 text-[13px] text-soft">
            <span>
              <Age at={delivery.createdAt} />
            </span>
            <span>{plural(delivery.tries.length, 'try', 'tries')}</span>
            {last && (
              <>
                <span className={last.error ? 'text-failed' : ''}>{cameBack(last)}</span>
                <span className="tabular-nums">{duration(last.durationMs)}</span>
              </>
            )}
            {delivery.nextTryAt && (
              <span>
                next try <Age at={delivery.nextTryAt} />
              </span>
            )}
          </p>
          {last?.error && <p className="line-clamp-2 text-[13px] wrap-anywhere text-failed">{last.error}</p>}
        </div>
        <div className="flex gap-2">
          <Action why={readOnly ? 'Your key may only read' : null} aria-label={`Resend delivery for job ${delivery.job.id}`} onClick={() => resend(delivery)}>
            <Send aria-hidden className="size-4" /> Resend
          </Action>
          <Button aria-expanded={open} aria-label={`Details of the delivery for job ${delivery.job.id}`} onClick={() => setOpen(!open)}>
            Details <ChevronDown aria-hidden className={`size-4 ${open ? 'rotate-180' : ''}`} />
          </Button>
        </div>
      </div>
      {open && <Detail listed={delivery} />}
    </li>
  );
}
