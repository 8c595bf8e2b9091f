import Lock from 'lucide-react/icons/lock';
import Plus from 'lucide-react/icons/plus';
import { useState } from 'react';
import { Action, Skeleton, Trouble } from '../ui/basics';
import { Deliveries } from '../webhooks/Deliveries';
import { EndpointForm, type Secret, SecretDialog } from '../webhooks/EndpointForm';
import { Endpoints } from '../webhooks/Endpoints';
import { isForbidden, useEndpoints } from '../webhooks/useEndpoints';

export function Webhooks() {
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<Secret | null>(null);
  const { data, error, dataUpdatedAt, refetch } = useEndpoints();
  const mayNot = isForbidden(error);
  return (
    <>
      <div className="mb-3 flex items-center justify-between gap-2">
        <h1 className="text-lg font-semibold">Webhooks</h1>
        <Action kind="solid" why={mayNot ? 'Endpoints need an admin’s key' : null} onClick={() => setAdding(true)}>
          <Plus aria-hidden className="size-4" /> New endpoint
        </Action>
      </div>
      <section aria-label="Endpoints" className="mb-6">
        {mayNot ? (
          <p className="card flex items-center gap-2 px-4 py-3 text-soft" data-testid="no-permission">
            <Lock aria-hidden className="size-4 shrink-0" /> Your key has no permission to see endpoints: they need an admin’s.
          </p>
        ) : (
          <>
            <Trouble error={error} dataFrom={dataUpdatedAt} retry={() => refetch()} />
            {data ? <Endpoints endpoints={data} onNew={() => setAdding(true)} /> : error ? null : <Skeleton rows={3} />}
          </>
        )}
      </section>
      <Deliveries endpoints={data} />
      {adding && <EndpointForm endpoint={null} onClose={() => setAdding(false)} onSecret={setSecret} />}
      {secret && <SecretDialog {...secret} onClose={() => setSecret(null)} />}
    </>
  );
}
