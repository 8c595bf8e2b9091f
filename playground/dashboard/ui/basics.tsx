// Small parts that every page is made of.
import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import Check from 'lucide-react/icons/check';
import Copy from 'lucide-react/icons/copy';
import CircleAlert from 'lucide-react/icons/circle-alert';
import X from 'lucide-react/icons/x';
import { clock, age, duration, exact } from '../lib/format';
import { copyText } from '../lib/copy';
import { useNow } from '../lib/now';
import { preferences } from '../lib/preferences';
import { createStore, useStore } from '../lib/store';

const KINDS = {
  plain: 'border-edge bg-card text-ink hover:not-disabled:bg-raised',
  solid: 'border-solid bg-solid text-white hover:not-disabled:bg-solidhover',
  danger: 'border-failed bg-card text-failed hover:not-disabled:bg-raised',
  bare: 'border-transparent text-soft hover:not-disabled:bg-raised hover:not-disabled:text-ink',
};

const SHAPE =
  'inline-flex min-h-8 items-center justify-center gap-1.5 rounded-md border px-3 py-1 font-medium whitespace-nowrap disabled:cursor-not-allowed disabled:border-line disabled:bg-raised disabled:text-soft';

export function Button({ kind = 'plain', className = '', ...rest }: ComponentProps<'button'> & { kind?: keyof typeof KINDS }) {
  return <button type="button" {...rest} className={`${SHAPE} ${KINDS[kind]} ${className}`} />;
}

/** A link that stands among buttons, to a page outside the dashboard. */
export function ButtonLink({ className = '', ...rest }: ComponentProps<'a'>) {
  return <a {...rest} target="_blank" rel="noreferrer" className={`${SHAPE} ${KINDS.bare} ${className}`} />;
}

/** A button that stays where it is, and says on hover and to screen readers why it cannot be used. */
export function Action({ why, children, onClick, ...rest }: ComponentProps<typeof Button> & { why?: string | null }) {
  return (
    <Button
      {...rest}
      title={why ?? rest.title}
      aria-disabled={why ? true : undefined}
      onClick={why ? undefined : onClick}
      className={`${rest.className ?? ''} ${why ? 'cursor-not-allowed! border-line! bg-raised! text-soft!' : ''}`}
    >
      {children}
      {why && <span className="sr-only">({why})</span>}
    </Button>
  );
}

export function Age({ at }: { at: string | null }) {
  const now = useNow();
  const { zone } = useStore(preferences);
  if (!at) return <span className="text-soft">–</span>;
  return (
    <time dateTime={at} title={exact(at, zone)} className="whitespace-nowrap">
      {age(now - Date.parse(at))}
    </time>
  );
}

export function Moment({ at }: { at: string | null }) {
  const { zone } = useStore(preferences);
  if (!at) return <span className="text-soft">–</span>;
  return (
    <time dateTime={at} title={exact(at, zone === 'utc' ? 'local' : 'utc')}>
      {exact(at, zone)}
    </time>
  );
}

export const useClock = (at: number) => clock(at, useStore(preferences).zone);

export function Elapsed({ from, to }: { from: string | null; to: string | null }) {
  const now = useNow();
  if (!from) return <span className="text-soft">–</span>;
  const ms = (to ? Date.parse(to) : now) - Date.parse(from);
  return <span className="whitespace-nowrap tabular-nums">{duration(to ? ms : Math.floor(Math.max(ms, 0) / 1000) * 1000)}</span>;
}

export function CopyButton({ text, what, label }: { text: string; what: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const Icon = done ? Check : Copy;
  return (
    <Button kind="bare" className="px-2!" aria-label={label ? undefined : `Copy ${what}`} title={`Copy ${what}`} onClick={() => copyText(text).then(() => setDone(true))}>
      <Icon aria-hidden className="size-4" />
      {label}
      <span role="status" className="sr-only">
        {done ? 'Copied' : ''}
      </span>
    </Button>
  );
}

/** A modal of the platform: it keeps the focus, closes at Escape, and gives the focus back. */
export function Dialog({ title, onClose, children, wide }: { title: string; onClose: () => void; children: ReactNode; wide?: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    const element = dialog.current!;
    element.showModal();
    element.querySelector<HTMLElement>('[data-focus]')?.focus();
    return () => {
      element.close();
      if (opener?.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === dialog.current && onClose()}
      className={`max-h-[min(92dvh,860px)] w-[calc(100vw-1.5rem)] overflow-y-auto rounded-xl border border-line bg-card p-0 shadow-2xl ${wide ? 'max-w-2xl' : 'max-w-md'}`}
    >
      <div className="p-4 sm:p-5">
        <header className="mb-3 flex items-start justify-between gap-3">
          <h2 id={id} className="text-base font-semibold">
            {title}
          </h2>
          <Button kind="bare" className="-mt-1 -mr-1 px-2!" aria-label="Close" onClick={onClose}>
            <X aria-hidden className="size-4" />
          </Button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

export function Problem({ children }: { children: ReactNode }) {
  return (
    <p role="alert" className="flex items-start gap-1.5 text-failed">
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span className="min-w-0 wrap-anywhere">{children}</span>
    </p>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-3 px-4 py-12 text-center">
      <p className="text-base font-medium">{title}</p>
      <div className="flex max-w-full flex-col items-center gap-3 text-soft">{children}</div>
    </div>
  );
}

export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="space-y-2 p-3">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="skeleton h-8" />
      ))}
    </div>
  );
}

/** What went wrong with a query, while what was known before stays on the page. */
export function Trouble({ error, dataFrom, retry }: { error: Error | null; dataFrom: number; retry: () => void }) {
  const from = useClock(dataFrom || 0);
  if (!error) return null;
  return (
    <div className="card mb-3 flex flex-wrap items-center justify-between gap-2 border-failed px-3 py-2">
      <Problem>
        {error.message}
        {dataFrom > 0 && ` This is from ${from}.`}
      </Problem>
      <Button onClick={retry}>Try again</Button>
    </div>
  );
}

interface Note {
  id: number;
  text: string;
  bad: boolean;
}
const notes = createStore<Note[]>([]);
let last = 0;
export function say(text: string, bad = false) {
  const id = ++last;
  notes.set([...notes.get().slice(-2), { id, text, bad }]);
  setTimeout(() => notes.set(notes.get().filter((each) => each.id !== id)), bad ? 8000 : 3500);
}

export function Notes() {
  const shown = useStore(notes);
  return (
    <div role="status" className="pointer-events-none fixed inset-x-3 bottom-3 z-50 flex flex-col items-center gap-2">
      {shown.map((note) => (
        <div key={note.id} className={`card max-w-full px-3 py-2 shadow-lg ${note.bad ? 'border-failed text-failed' : ''}`}>
          <span className="wrap-anywhere">{note.text}</span>
        </div>
      ))}
    </div>
  );
}
