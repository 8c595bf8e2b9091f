// Everything that failed since a time, sent again: counted first, then exactly that.
import Send from 'lucide-react/icons/send';
import { useEffect, useId, useState } from 'react';
import { request } from '../api/client';
import { DELIVERIES, REDELIVER_ALL } from '../api/operations';
import { cache } from '../api/queries';
import type { DeliveryFilter } from '../api/types';
import { plural } from '../lib/format';
import { beginOf, type Period, PERIODS } from '../lib/periods';
import { Button, Dialog, Problem, say } from '../ui/basics';

const SINCE = { ...PERIODS, at: 'A time of your choice', ever: 'The beginning' } as const;
type Since = keyof typeof SINCE;

interface Counted {
  filter: DeliveryFilter;
  count: number;
}

const deliveries = (count: number) => plural(count, 'delivery', 'deliveries');

/** How many failed, and a filter for those alone: what fails from now on is later than its cut-off. */
async function counted(filter: DeliveryFilter, signal: AbortSignal): Promise<Counted> {
  const newest = await request<{ webhookDeliveries: { nodes: { createdAt: string }[] } }>(DELIVERIES, { filter, first: 1 }, signal);
  const [first] = newest.webhookDeliveries.nodes;
  if (!first) return { filter, count: 0 };
  const bounded = { ...filter, createdBefore: new Date(Date.parse(first.createdAt) + 1).toISOString() };
  const { redeliverWebhooks } = await request<{ redeliverWebhooks: { count: number } }>(REDELIVER_ALL, { filter: bounded, dryRun: true }, signal);
  return { filter: bounded, count: redeliverWebhooks.count };
}

export function ResendAll({ filter, period, onClose }: { filter: DeliveryFilter; period?: Period; onClose: () => void }) {
  const id = useId();
  const [since, setSince] = useState<Since>(period ?? '24h');
  const [at, setAt] = useState('');
  const [found, setFound] = useState<Counted | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { createdAfter: _shown, ...rest } = filter;
  const after = since === 'ever' ? undefined : since === 'at' ? at && new Date(at).toISOString() : beginOf(since);
  const isUnsaid = since === 'at' && !at;
  const wanted = JSON.stringify({ ...rest, status: ['FAILED'], ...(after ? { createdAfter: after } : {}) });

  useEffect(() => {
    setFound(null);
    setProblem(null);
    if (isUnsaid) return;
    const stop = new AbortController();
    counted(JSON.parse(wanted) as DeliveryFilter, stop.signal).then(
      (answer) => stop.signal.aborted || setFound(answer),
      (error: Error) => stop.signal.aborted || setProblem(error.message),
    );
    return () => stop.abort();
  }, [wanted, isUnsaid]);

  async function confirm() {
    if (!found) return;
    setBusy(true);
    try {
      const answer = await request<{ redeliverWebhooks: { count: number } }>(REDELIVER_ALL, { filter: found.filter, dryRun: false });
      say(`${deliveries(answer.redeliverWebhooks.count)} will be sent again.`);
      void cache.invalidateQueries({ queryKey: ['webhooks'] });
      onClose();
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }
  const isNarrowed = Boolean(rest.endpointId || rest.event);
  return (
    <Dialog title="Resend all failed deliveries" onClose={onClose}>
      <label className="label" htmlFor={`${id}-since`}>
        Created since
      </label>
      <select id={`${id}-since`} data-focus className="field" value={since} onChange={(event) => setSince(event.target.value as Since)}>
        {Object.entries(SINCE).map(([name, label]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
      {since === 'at' && (
        <input type="datetime-local" aria-label="Since, in your own zone" className="field mt-2" value={at} onChange={(event) => setAt(event.target.value)} />
      )}
      <p className="mt-3 text-soft" role="status" data-testid="resend-preview">
        {isUnsaid ? 'Say since when.' : problem ? '' : found === null ? 'Counting…' : `The server would send ${deliveries(found.count)} again${isNarrowed ? ', of those the list is filtered to' : ''}. Those of endpoints that are disabled or deleted are left out.`}
      </p>
      {problem && <Problem>{problem}</Problem>}
      <div className="mt-4 flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Back</Button>
        <Button kind="solid" disabled={!found?.count || busy} onClick={confirm}>
          <Send aria-hidden className="size-4" /> Resend {found?.count ? deliveries(found.count) : ''}
        </Button>
      </div>
    </Dialog>
  );
}
