// The filter of the list of deliveries: what stands in the URL, and what is asked of the server.
import { useMemo } from 'react';
import { DELIVERY_STATUSES, type DeliveryFilter, type DeliveryStatus, WEBHOOK_EVENTS, type WebhookEvent } from '../api/types';
import { beginOf, type Period, PERIODS } from '../lib/periods';
import { oneOf, text } from '../lib/search';

export interface WebhooksSearch {
  status?: DeliveryStatus;
  event?: WebhookEvent;
  endpoint?: string;
  period?: Period;
}

export function readSearch(raw: Record<string, unknown>): WebhooksSearch {
  const endpoint = text(raw.endpoint);
  return {
    status: oneOf(DELIVERY_STATUSES, raw.status),
    event: oneOf(WEBHOOK_EVENTS, raw.event),
    endpoint: endpoint && /^\d+$/.test(endpoint) ? endpoint : undefined,
    period: oneOf(Object.keys(PERIODS) as Period[], raw.period),
  };
}

export function useFilter({ status, event, endpoint, period }: WebhooksSearch): DeliveryFilter {
  return useMemo(
    () => ({
      ...(status ? { status: [status] } : {}),
      ...(event ? { event: [event] } : {}),
      ...(endpoint ? { endpointId: endpoint } : {}),
      ...(period ? { createdAfter: beginOf(period) } : {}),
    }),
    [status, event, endpoint, period],
  );
}
