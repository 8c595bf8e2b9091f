import type { ReactNode } from 'react';

export function Panel({ title, more, wide, children }: { title: string; more?: ReactNode; wide?: boolean; children: ReactNode }) {
  return (
    <section className={`card min-w-0 ${wide ? 'col-span-full' : ''}`} aria-label={title}>
      <header className="flex min-h-11 items-center justify-between gap-2 border-b border-line px-4 py-2">
        <h2 className="font-semibold">{title}</h2>
        {more}
      </header>
      {children}
    </section>
  );
}
