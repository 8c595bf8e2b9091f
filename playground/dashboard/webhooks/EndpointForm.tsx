// Making and changing an endpoint, and the one time its secret is shown.
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useId, useState } from 'react';
import { type APIError, request } from '../api/client';
import { CREATE_ENDPOINT, TASKS, UPDATE_ENDPOINT } from '../api/operations';
import { cache } from '../api/queries';
import { type Endpoint, type Task, WEBHOOK_EVENTS, type WebhookEvent } from '../api/types';
import { word } from '../lib/format';
import { Button, CopyButton, Dialog, Problem, say } from '../ui/basics';

export interface Secret {
  secret: string;
  url: string;
  isRotated: boolean;
}

export function SecretDialog({ secret, url, isRotated, onClose }: Secret & { onClose: () => void }) {
  return (
    <Dialog title={isRotated ? 'The new secret' : 'The endpoint’s secret'} onClose={onClose}>
      <p className="mb-3 wrap-anywhere text-soft">
        Give it to the receiver at {url}: it checks signatures with it. It is shown this once and cannot be read again.
        {isRotated && ' The secret before it signs beside it for 24 hours.'}
      </p>
      <div className="flex items-center gap-1 rounded-md border border-line bg-raised py-1 pr-1 pl-3">
        <code className="min-w-0 grow font-mono text-[13px] wrap-anywhere" data-testid="secret">
          {secret}
        </code>
        <CopyButton text={secret} what="the secret" />
      </div>
      <div className="mt-4 flex justify-end">
        <Button kind="solid" data-focus onClick={onClose}>
          I have kept it
        </Button>
      </div>
    </Dialog>
  );
}

const FIELDS = ['url', 'events', 'taskNames'];

export function EndpointForm({ endpoint, onClose, onSecret }: { endpoint: Endpoint | null; onClose: () => void; onSecret: (secret: Secret) => void }) {
  const id = useId();
  const { data } = useQuery({ queryKey: ['tasks'], queryFn: ({ signal }) => request<{ tasks: Task[] }>(TASKS, {}, signal) });
  const [url, setUrl] = useState(endpoint?.url ?? '');
  const [events, setEvents] = useState<WebhookEvent[]>(endpoint?.events ?? ['JOB_COMPLETED']);
  const [names, setNames] = useState(endpoint?.taskNames?.join('\n') ?? '');
  const [error, setError] = useState<APIError | null>(null);
  const [busy, setBusy] = useState(false);
  const problemAt = (field: string) => (error?.field === field || error?.field?.startsWith(`${field}.`) ? error.message : null);
  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const taskNames = names.split('\n').map((each) => each.trim()).filter(Boolean);
    const input = { url: url.trim(), events, taskNames: taskNames.length ? taskNames : null };
    try {
      if (endpoint) {
        await request(UPDATE_ENDPOINT, { input: { id: endpoint.id, ...input } });
        say('The endpoint is changed.');
        onClose();
      } else {
        const { createWebhookEndpoint: made } = await request<{ createWebhookEndpoint: { secret: string; endpoint: { url: string } } }>(CREATE_ENDPOINT, { input });
        onClose();
        onSecret({ secret: made.secret, url: made.endpoint.url, isRotated: false });
      }
      void cache.invalidateQueries({ queryKey: ['webhooks'] });
    } catch (problem) {
      setError(problem as APIError);
      setBusy(false);
    }
  }
  return (
    <Dialog title={endpoint ? 'Edit endpoint' : 'New endpoint'} onClose={onClose} wide>
      <form onSubmit={submit} className="space-y-3">
        <div>
          <label className="label" htmlFor={`${id}-url`}>
            URL
          </label>
          <input
            id={`${id}-url`}
            className="field font-mono"
            type="url"
            required
            data-focus
            autoComplete="off"
            maxLength={2048}
            placeholder="https://example.com/hooks/signalbox"
            aria-invalid={Boolean(problemAt('url'))}
            value={url}
            onChange={(event) => setUrl(event.target.value)}
          />
          {problemAt('url') && <Problem>{problemAt('url')}</Problem>}
        </div>
        <fieldset>
          <legend className="label">Events</legend>
          <div className="flex flex-wrap gap-x-5 gap-y-1">
            {WEBHOOK_EVENTS.map((each) => (
              <label key={each} className="flex items-center gap-1.5">
                <input
                  type="checkbox"
                  className="size-4 accent-solid"
                  checked={events.includes(each)}
                  onChange={() => setEvents(WEBHOOK_EVENTS.filter((one) => (one === each) !== events.includes(one)))}
                />
                {word(each)}
              </label>
            ))}
          </div>
          {problemAt('events') && <Problem>{problemAt('events')}</Problem>}
        </fieldset>
        <div>
          <label className="label" htmlFor={`${id}-names`}>
            Tasks <span className="font-normal text-soft">(one a line; none means every task)</span>
          </label>
          <textarea
            id={`${id}-names`}
            rows={3}
            spellCheck={false}
            className="field resize-y"
            placeholder={data?.tasks.slice(0, 2).map((each) => each.name).join('\n')}
            aria-invalid={Boolean(problemAt('taskNames'))}
            value={names}
            onChange={(event) => setNames(event.target.value)}
          />
          {problemAt('taskNames') && <Problem>{problemAt('taskNames')}</Problem>}
        </div>
        {error && !FIELDS.some((field) => problemAt(field)) && <Problem>{error.message}</Problem>}
        <div className="flex justify-end gap-2 border-t border-line pt-3">
          <Button onClick={onClose}>Close</Button>
          <Button kind="solid" type="submit" disabled={busy}>
            {endpoint ? 'Save changes' : 'Create endpoint'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
