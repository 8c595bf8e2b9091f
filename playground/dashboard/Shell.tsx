// What every page stands in: where to go, how live it is, and the reader's choices.
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import CircleHelp from 'lucide-react/icons/circle-help';
import Eye from 'lucide-react/icons/eye';
import LogOut from 'lucide-react/icons/log-out';
import Monitor from 'lucide-react/icons/monitor';
import Moon from 'lucide-react/icons/moon';
import Pause from 'lucide-react/icons/pause';
import Play from 'lucide-react/icons/play';
import Sun from 'lucide-react/icons/sun';
import { type FormEvent, useState } from 'react';
import { useAccess } from './api/access';
import { endpoint } from './api/client';
import { live, setPaused } from './api/live';
import { cache } from './api/queries';
import { key, signIn, signOut } from './api/session';
import { Confirmation } from './jobs/actions';
import { plural } from './lib/format';
import { useHotkeys } from './lib/hotkeys';
import { prefer, preferences } from './lib/preferences';
import { useStore } from './lib/store';
import { Button, Dialog, Notes, Problem, useClock } from './ui/basics';

const THEMES = { system: { Icon: Monitor, next: 'light' }, light: { Icon: Sun, next: 'dark' }, dark: { Icon: Moon, next: 'system' } } as const;

function LiveState() {
  const { connection, dataFrom, paused, held } = useStore(live);
  const from = useClock(dataFrom ?? 0);
  return (
    <div className="flex min-w-0 items-center gap-1">
      <span role="status" className="flex min-w-0 items-center gap-1.5 text-[13px]" data-testid="connection">
        <span
          aria-hidden
          className={`size-2 shrink-0 rounded-full ${connection === 'live' ? (paused ? 'bg-queued' : 'bg-completed') : 'bg-failed'}`}
        />
        <span className={connection === 'reconnecting' ? 'text-failed' : 'text-soft max-sm:sr-only'}>
          {connection === 'reconnecting'
            ? `Reconnecting, data from ${from}`
            : connection === 'connecting'
              ? 'Connecting'
              : paused
                ? `Paused${held ? `, ${plural(held, 'change')} held back` : ''}`
                : 'Live'}
        </span>
      </span>
      <Button kind="bare" className="px-1.5!" aria-label={paused ? 'Resume live updates' : 'Pause live updates'} title={`${paused ? 'Resume' : 'Pause'} live updates (p)`} onClick={() => setPaused(!paused)}>
        {paused ? <Play aria-hidden className="size-4" /> : <Pause aria-hidden className="size-4" />}
      </Button>
    </div>
  );
}

const KEYS = [
  ['/', 'Search'],
  ['n', 'New job'],
  ['j k', 'Next, previous job'],
  ['Enter', 'Open the job'],
  ['x', 'Select the job'],
  ['r', 'Retry or run the job'],
  ['c', 'Cancel the job'],
  ['p', 'Pause or resume live updates'],
  ['g o', 'Overview'],
  ['g j', 'Jobs'],
  ['g s', 'Schedules'],
  ['g w', 'Webhooks'],
  ['?', 'This list'],
] as const;

function Help({ onClose }: { onClose: () => void }) {
  const { keys } = useStore(preferences);
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5">
        {KEYS.map(([press, does]) => (
          <div key={press} className="contents">
            <dt>
              {press.split(' ').map((each) => (
                <kbd key={each} className="mr-1 rounded border border-edge bg-raised px-1.5 font-mono text-xs">
                  {each}
                </kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label className="mt-4 flex items-center gap-2 border-t border-line pt-3">
        <input type="checkbox" className="size-4 accent-solid" checked={keys} onChange={() => prefer({ keys: !keys })} /> Listen to these keys
      </label>
    </Dialog>
  );
}

function Login({ wasRefused }: { wasRefused: boolean }) {
  const [given, setGiven] = useState('');
  function submit(event: FormEvent) {
    event.preventDefault();
    signIn(given.trim());
    void cache.resetQueries();
  }
  return (
    <main className="mx-auto mt-24 max-w-sm px-3">
      <form onSubmit={submit} className="card space-y-3 p-5 shadow-lg">
        <h1 className="text-base font-semibold">Signalbox asks for a key</h1>
        <div>
          <label className="label" htmlFor="key">
            API key
          </label>
          <input id="key" type="password" className="field font-mono" required autoFocus autoComplete="off" value={given} onChange={(event) => setGiven(event.target.value)} />
          <p className="mt-1 text-[13px] text-soft">It is forgotten when this tab closes.</p>
        </div>
        {wasRefused && <Problem>The server refused that key.</Problem>}
        <Button type="submit" kind="solid" className="w-full">
          Sign in
        </Button>
      </form>
    </main>
  );
}

const LINK = 'rounded-md py-1 text-soft hover:bg-raised hover:text-ink aria-[current=page]:bg-tint aria-[current=page]:font-medium aria-[current=page]:text-accent max-[22rem]:px-0.5 max-sm:px-1 max-sm:text-xs sm:px-2.5';

export function Shell() {
  const navigate = useNavigate();
  const { state, wasRefused, readOnly } = useAccess();
  const { theme, zone } = useStore(preferences);
  const [helping, setHelping] = useState(false);
  useHotkeys({
    'g o': () => void navigate({ to: '/' }),
    'g j': () => void navigate({ to: '/jobs' }),
    'g s': () => void navigate({ to: '/schedules' }),
    'g w': () => void navigate({ to: '/webhooks' }),
    p: () => setPaused(!live.get().paused),
    '?': () => setHelping(true),
  });
  if (state === 'asking') return <Login wasRefused={wasRefused} />;
  const { Icon, next } = THEMES[theme];
  return (
    <>
      <a href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }} className="sr-only focus:not-sr-only focus:fixed focus:z-50 focus:bg-card focus:p-2">
        To the content
      </a>
      <header className="z-30 border-b border-line bg-card sm:sticky sm:top-0">
        <div className="mx-auto flex min-h-12 max-w-[1500px] flex-wrap items-center gap-x-1 gap-y-1 px-3 py-1 sm:gap-x-3 sm:px-6">
          <Link to="/" className="flex items-center gap-2 font-semibold" aria-label="Signalbox: overview">
            <span aria-hidden className="flex h-6 w-3.5 flex-col items-center justify-center gap-0.5 rounded-full bg-[#1f2937] ring-1 ring-edge">
              <span className="size-1.5 rounded-full bg-[#4b5563]" />
              <span className="size-1.5 rounded-full bg-[#4b5563]" />
              <span className="size-1.5 rounded-full bg-[#22c55e]" />
            </span>
            Signalbox
          </Link>
          <nav aria-label="Pages" className="flex flex-wrap items-center gap-0.5 max-[22rem]:gap-0 max-sm:order-last max-sm:w-full">
            <Link to="/" activeOptions={{ exact: true, includeSearch: false }} className={LINK}>
              Overview
            </Link>
            <Link to="/jobs" activeOptions={{ includeSearch: false }} className={LINK}>
              Jobs
            </Link>
            <Link to="/schedules" className={LINK}>
              Schedules
            </Link>
            <Link to="/webhooks" activeOptions={{ includeSearch: false }} className={LINK}>
              Webhooks
            </Link>
            <a href={endpoint} className={LINK}>
              GraphiQL
            </a>
          </nav>
          <span className="grow" />
          {readOnly && (
            <span className="inline-flex items-center gap-1 rounded-full border border-edge px-2 text-xs font-medium" data-testid="read-only">
              <Eye aria-hidden className="size-3.5" /> Read-only
            </span>
          )}
          <LiveState />
          <div className="flex items-center">
            <Button kind="bare" className="px-1.5! text-xs" title="Times in your zone or in UTC" aria-label={`Times are ${zone === 'utc' ? 'in UTC' : 'local'}; switch`} onClick={() => prefer({ zone: zone === 'utc' ? 'local' : 'utc' })}>
              {zone === 'utc' ? 'UTC' : 'Local'}
            </Button>
            <Button kind="bare" className="px-1.5!" title={`Theme: ${theme}`} aria-label={`Theme: ${theme}; switch to ${next}`} onClick={() => prefer({ theme: next })}>
              <Icon aria-hidden className="size-4" />
            </Button>
            <Button kind="bare" className="px-1.5!" title="Keys (?)" aria-label="Keys" onClick={() => setHelping(true)}>
              <CircleHelp aria-hidden className="size-4" />
            </Button>
            {key() && (
              <Button kind="bare" className="px-1.5!" title="Sign out" aria-label="Sign out" onClick={() => { signOut(); cache.clear(); }}>
                <LogOut aria-hidden className="size-4" />
              </Button>
            )}
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1} className="mx-auto max-w-[1500px] px-3 py-4 outline-none sm:px-6">
        <Outlet />
      </main>
      <Confirmation />
      {helping && <Help onClose={() => setHelping(false)} />}
      <Notes />
    </>
  );
}
