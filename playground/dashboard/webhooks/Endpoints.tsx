// The receivers: what each listens to and how it has been doing, and all that an admin can change of it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import CircleCheck from 'lucide-react/icons/circle-check';
import CircleX from 'lucide-react/icons/circle-x';
import FlaskConical from 'lucide-react/icons/flask-conical';
import KeyRound from 'lucide-react/icons/key-round';
import Pencil from 'lucide-react/icons/pencil';
import Power from 'lucide-react/icons/power';
import PowerOff from 'lucide-react/icons/power-off';
import Trash2 from 'lucide-react/icons/trash-2';
import TriangleAlert from 'lucide-react/icons/triangle-alert';
import { useState } from 'react';
import { request } from '../api/client';
import { live } from '../api/live';
import { DELETE_ENDPOINT, LAST_DELIVERIES, ROTATE_SECRET, UPDATE_ENDPOINT } from '../api/operations';
import { cache } from '../api/queries';
import type { Delivery, Endpoint } from '../api/types';
import { duration, plural, word } from '../lib/format';
import { useNow } from '../lib/now';
import { useStore } from '../lib/store';
import { Action, Age, Button, Dialog, Empty, Problem, say } from '../ui/basics';
import { EndpointForm, type Secret, SecretDialog } from './EndpointForm';
import { Trial } from './Trial';

const OF_SETTINGS = '0';

function Health({ endpoint: { enabled, disabledReason, circuit } }: { endpoint: Endpoint }) {
  const now = useNow();
  if (!enabled)
    return (
      <p className="flex items-start gap-1.5 text-cancelled">
        <PowerOff aria-hidden className="mt-0.5 size-4 shrink-0" />
        <span className="min-w-0 wrap-anywhere">
          <span className="font-medium">Disabled</span>
          {disabledReason ? ` by the server: ${disabledReason}` : ' by an admin. Nothing is sent to it.'}
        </span>
      </p>
    );
  if (!circuit)
    return (
      <p className="flex items-center gap-1.5 text-completed">
        <CircleCheck aria-hidden className="size-4 shrink-0" />
        <span className="font-medium">Healthy</span>
      </p>
    );
  const isOpen = circuit.openUntil !== null;
  const Icon = isOpen ? CircleX : TriangleAlert;
  return (
    <p className={`flex items-start gap-1.5 ${isOpen ? 'text-failed' : 'text-queued'}`}>
      <Icon aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span>
        <span className="font-medium">{isOpen ? 'Circuit open' : 'Failing'}</span>: {plural(circuit.failuresInARow, 'failure')} in a row, for {duration(now - Date.parse(circuit.failingSince))}
        {isOpen && (
          <>
            ; {Date.parse(circuit.openUntil!) > now ? <>it is probed <Age at={circuit.openUntil} /></> : 'a probe is due'}
          </>
        )}
        .
      </span>
    </p>
  );
}

const BARS = { DELIVERED: 'h-5 bg-completed', FAILED: 'h-2.5 bg-failed', PENDING: 'h-1.5 bg-queued' } as const;

/** The last deliveries as bars, oldest first: their height tells them apart where colours do not. */
function LastDeliveries({ endpoint }: { endpoint: Endpoint }) {
  const { paused } = useStore(live);
  const { data } = useQuery({
    queryKey: ['webhooks', 'last', endpoint.id],
    queryFn: async ({ signal }) => (await request<{ webhookDeliveries: { nodes: Pick<Delivery, 'id' | 'status' | 'tries'>[] } }>(LAST_DELIVERIES, { id: endpoint.id }, signal)).webhookDeliveries.nodes,
    refetchInterval: paused ? false : 5000,
  });
  if (!data) return <span className="skeleton block h-5 w-40" />;
  if (data.length === 0) return <span className="text-[13px] text-soft">No delivery yet</span>;
  const count = (status: Delivery['status']) => data.filter((each) => each.status === status).length;
  const last = data.flatMap((each) => each.tries).sort((one, other) => other.at.localeCompare(one.at))[0];
  const told = (['DELIVERED', 'FAILED', 'PENDING'] as const).filter(count).map((each) => `${count(each)} ${word(each).toLowerCase()}`);
  return (
    <div className="flex flex-wrap items-end gap-x-3 gap-y-1">
      <Link to="/webhooks" search={{ endpoint: endpoint.id }} className="flex h-5 items-end gap-0.5" aria-label={`Last ${plural(data.length, 'delivery', 'deliveries')} of ${endpoint.url}: ${told.join(', ')}`}>
        {data.toReversed().map((each) => (
          <span key={each.id} aria-hidden title={word(each.status)} className={`w-1.5 rounded-sm ${BARS[each.status]}`} />
        ))}
      </Link>
      <span className="text-[13px] text-soft">
        {told.join(', ')}
        {last && (
          <>
            ; last try <Age at={last.at} />, {last.responseStatus ? `HTTP ${last.responseStatus}` : 'no response'} in {duration(last.durationMs)}
          </>
        )}
      </span>
    </div>
  );
}

type Question = { endpoint: Endpoint; kind: 'rotate' | 'delete' };
const QUESTIONS = {
  rotate: { title: 'Rotate the secret?', does: 'Rotate secret', tells: 'Another secret is made and shown once. The one it has now signs beside it for 24 hours, so that the receiver can change over.' },
  delete: { title: 'Delete this endpoint?', does: 'Delete endpoint', tells: 'Nothing is sent to it any more, and what waits for it becomes failed. Its deliveries stay on record.' },
} as const;

function Ask({ endpoint, kind, onClose, onSecret }: Question & { onClose: () => void; onSecret: (secret: Secret) => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const { title, does, tells } = QUESTIONS[kind];
  async function confirm() {
    try {
      if (kind === 'rotate') {
        const { rotateWebhookSecret: made } = await request<{ rotateWebhookSecret: { secret: string } }>(ROTATE_SECRET, { id: endpoint.id });
        onClose();
        onSecret({ secret: made.secret, url: endpoint.url, isRotated: true });
      } else {
        await request(DELETE_ENDPOINT, { id: endpoint.id });
        say('The endpoint is deleted.');
        onClose();
      }
      void cache.invalidateQueries({ queryKey: ['webhooks'] });
    } catch (error) {
      setProblem((error as Error).message);
    }
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <p className="mb-2 font-mono text-[13px] wrap-anywhere">{endpoint.url.slice(0, 300)}</p>
      <p className="text-soft">{tells}</p>
      {problem && <Problem>{problem}</Problem>}
      <div className="mt-4 flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Keep it</Button>
        <Button kind={kind === 'delete' ? 'danger' : 'solid'} data-focus onClick={confirm}>
          {does}
        </Button>
      </div>
    </Dialog>
  );
}

export function Endpoints({ endpoints, onNew }: { endpoints: Endpoint[]; onNew: () => void }) {
  const [editing, setEditing] = useState<Endpoint | null>(null);
  const [trying, setTrying] = useState<Endpoint | null>(null);
  const [asking, setAsking] = useState<Question | null>(null);
  const [secret, setSecret] = useState<Secret | null>(null);
  async function enable({ id, enabled }: Endpoint) {
    try {
      await request(UPDATE_ENDPOINT, { input: { id, enabled: !enabled } });
      say(enabled ? 'The endpoint is disabled.' : 'The endpoint is enabled: jobs that end from now on are told to it.');
      void cache.invalidateQueries({ queryKey: ['webhooks'] });
    } catch (error) {
      say((error as Error).message, true);
    }
  }
  if (endpoints.length === 0)
    return (
      <div className="card">
        <Empty title="No endpoints yet">
          <p>An endpoint is a URL that is told, signed and with retries, when jobs end.</p>
          <Button kind="solid" onClick={onNew}>
            New endpoint
          </Button>
        </Empty>
      </div>
    );
  return (
    <>
      <ul className="grid grid-cols-[minmax(0,1fr)] gap-3">
        {endpoints.map((each) => {
          const why = each.id === OF_SETTINGS ? 'It is WEBHOOK_URL of the settings: change it there' : null;
          return (
            <li key={each.id} data-endpoint={each.id} className="card px-4 py-3">
              <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
                <div className="min-w-0 grow basis-72 space-y-1">
                  <h2 className="line-clamp-2 font-mono text-[13px] font-semibold wrap-anywhere" title={each.url}>
                    {each.url}
                  </h2>
                  <p className="text-[13px] wrap-anywhere text-soft">
                    {each.events.map((event) => word(event)).join(', ')} · {each.taskNames ? each.taskNames.join(', ') : 'every task'}
                    {each.id === OF_SETTINGS && ' · WEBHOOK_URL of the settings'}
                  </p>
                  <Health endpoint={each} />
                  <LastDeliveries endpoint={each} />
                </div>
                <div className="flex flex-wrap gap-2">
                  <Button onClick={() => setTrying(each)}>
                    <FlaskConical aria-hidden className="size-4" /> Send a test
                  </Button>
                  <Action why={why} onClick={() => setEditing(each)}>
                    <Pencil aria-hidden className="size-4" /> Edit
                  </Action>
                  <Action why={why} onClick={() => setAsking({ endpoint: each, kind: 'rotate' })}>
                    <KeyRound aria-hidden className="size-4" /> Rotate secret
                  </Action>
                  <Action why={why} onClick={() => enable(each)}>
                    {each.enabled ? <PowerOff aria-hidden className="size-4" /> : <Power aria-hidden className="size-4" />} {each.enabled ? 'Disable' : 'Enable'}
                  </Action>
                  <Action kind="danger" why={why} aria-label={`Delete ${each.url}`} onClick={() => setAsking({ endpoint: each, kind: 'delete' })}>
                    <Trash2 aria-hidden className="size-4" />
                  </Action>
                </div>
              </div>
            </li>
          );
        })}
      </ul>
      {editing && <EndpointForm endpoint={editing} onClose={() => setEditing(null)} onSecret={setSecret} />}
      {asking && <Ask {...asking} onClose={() => setAsking(null)} onSecret={setSecret} />}
      {trying && <Trial endpoint={trying} onClose={() => setTrying(null)} />}
      {secret && <SecretDialog {...secret} onClose={() => setSecret(null)} />}
    </>
  );
}
