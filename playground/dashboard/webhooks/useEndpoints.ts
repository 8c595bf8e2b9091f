// The endpoints, asked for again and again while the key may see them.
import { useQuery } from '@tanstack/react-query';
import { APIError, request } from '../api/client';
import { live } from '../api/live';
import { ENDPOINTS } from '../api/operations';
import type { Endpoint } from '../api/types';
import { useStore } from '../lib/store';

export const isForbidden = (error: Error | null) => error instanceof APIError && error.code === 'FORBIDDEN';

export function useEndpoints() {
  const { paused } = useStore(live);
  return useQuery({
    queryKey: ['webhooks', 'endpoints'],
    queryFn: async ({ signal }) => (await request<{ webhookEndpoints: Endpoint[] }>(ENDPOINTS, {}, signal)).webhookEndpoints,
    refetchInterval: ({ state }) => (paused || isForbidden(state.error) ? false : 5000),
  });
}
