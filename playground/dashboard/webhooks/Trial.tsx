// A test that is sent as the dialog opens, and what the receiver made of it.
import { useMutation } from '@tanstack/react-query';
import { useEffect } from 'react';
import { request } from '../api/client';
import { TEST_ENDPOINT } from '../api/operations';
import type { DeliveryDetail, Endpoint } from '../api/types';
import { duration } from '../lib/format';
import { Button, Dialog, Problem, Skeleton } from '../ui/basics';
import { cameBack, Sent } from './Delivery';

interface Answer {
  body: string;
  outcome: DeliveryDetail['tries'][number];
}

export function Trial({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const { data, error, isPending, mutate } = useMutation({
    mutationFn: async () => (await request<{ testWebhookEndpoint: Answer }>(TEST_ENDPOINT, { id: endpoint.id })).testWebhookEndpoint,
  });
  useEffect(() => mutate(), [mutate]);
  return (
    <Dialog title="Test of the endpoint" onClose={onClose} wide>
      <p className="mb-3 wrap-anywhere text-soft">
        A signed webhook that tells of no job is sent to {endpoint.url.slice(0, 300)}, once. It is not kept among the deliveries.
      </p>
      <div role="status" data-testid="trial" className="space-y-3">
        {isPending ? (
          <Skeleton rows={2} />
        ) : error ? (
          <Problem>{error.message}</Problem>
        ) : (
          data && (
            <>
              <p>
                <span className={`font-medium ${data.outcome.error ? 'text-failed' : 'text-completed'}`}>{data.outcome.error ? 'It failed' : 'It was received'}</span>: {cameBack(data.outcome)} in{' '}
                {duration(data.outcome.durationMs)}
              </p>
              {data.outcome.error && <p className="wrap-anywhere text-failed">{data.outcome.error}</p>}
              {data.outcome.responseBody && (
                <pre tabIndex={0} aria-label="Response" className="max-h-48 overflow-auto rounded-md bg-raised p-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap">
                  {data.outcome.responseBody}
                </pre>
              )}
              <Sent body={data.body} />
            </>
          )
        )}
      </div>
      <div className="mt-4 flex justify-end gap-2">
        <Button disabled={isPending} onClick={() => mutate()}>
          Send another
        </Button>
        <Button kind="solid" data-focus onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  );
}
