// When a rule would fire next, as the server that will fire it sees it.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { APIError, request } from '../api/client';
import { NEXT_RUNS } from '../api/operations';
import { Moment } from '../ui/basics';

const PAUSE_MS = 200;

export interface Preview {
  /** Undefined until the server has answered. */
  moments: string[] | undefined;
  refused: APIError | null;
}

/** Asks once the reader pauses. */
export function usePreview(cron: string, timezone: string): Preview {
  const [rule, setRule] = useState({ cron, timezone });
  useEffect(() => {
    const timer = setTimeout(() => setRule({ cron, timezone }), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [cron, timezone]);
  const isSettled = rule.cron === cron && rule.timezone === timezone;
  const { data, error } = useQuery({
    queryKey: ['nextRuns', rule],
    queryFn: async ({ signal }) => (await request<{ nextRuns: string[] }>(NEXT_RUNS, { cron: rule.cron.trim(), timezone: rule.timezone.trim() }, signal)).nextRuns,
    enabled: Boolean(rule.cron.trim() && rule.timezone.trim()),
    placeholderData: (before) => before,
  });
  const refused = isSettled && error instanceof APIError && error.code === 'BAD_USER_INPUT' ? error : null;
  return { moments: error || !rule.cron.trim() ? undefined : data, refused };
}

export function NextFirings({ moments, refused }: Preview) {
  return (
    <div className="sm:col-span-2">
      <p className="label">Next firings</p>
      {moments && !refused ? (
        <ol className="flex flex-wrap gap-x-6 gap-y-0.5 font-mono text-xs" aria-label="Next firings">
          {moments.map((at) => (
            <li key={at}>
              <Moment at={at} />
            </li>
          ))}
        </ol>
      ) : (
        <p className="text-[13px] text-soft">They are shown once the rule and the zone can be read.</p>
      )}
    </div>
  );
}
