// Whether the key of this tab may change anything: the server is asked, by a mutation that changes nothing.
import { useEffect } from 'react';
import { useStore } from '../lib/store';
import { APIError, request } from './client';
import { MAY_WRITE } from './operations';
import { key, session } from './session';

export function useAccess() {
  const current = useStore(session);
  const given = key();
  useEffect(() => {
    if (!given || current.state !== 'open') return;
    request(MAY_WRITE).catch((error: unknown) => {
      if (error instanceof APIError && error.code === 'FORBIDDEN') session.set({ ...session.get(), readOnly: true });
    });
  }, [given, current.state]);
  return current;
}

export const useReadOnly = () => useStore(session).readOnly;
