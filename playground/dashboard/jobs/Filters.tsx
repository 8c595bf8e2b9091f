import Search from 'lucide-react/icons/search';
import X from 'lucide-react/icons/x';
import { useEffect, useRef, useState } from 'react';
import { PRIORITIES } from '../api/types';
import { word } from '../lib/format';
import { PERIODS } from '../lib/periods';
import type { JobsSearch } from './filter';

/** A text that goes into the URL once the reader pauses. */
function TextFilter({ label, value, onChange, wide, id }: { label: string; value: string; onChange: (value: string) => void; wide?: boolean; id?: string }) {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    if (value !== sent.current) {
      sent.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text.trim() === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text.trim();
      onChange(text.trim());
    }, 250);
    return () => clearTimeout(timer);
  });
  return (
    <div className={`relative ${wide ? 'min-w-48 flex-1' : 'w-36 grow sm:grow-0'}`}>
      {wide && <Search aria-hidden className="absolute top-2.5 left-2.5 size-4 text-soft" />}
      <input
        id={id}
        type="text"
        aria-label={label}
        placeholder={label}
        className={`field ${wide ? 'pl-8!' : ''} ${text ? 'pr-7!' : ''}`}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
      />
      {text && (
        <button type="button" className="absolute top-2 right-1.5 rounded p-0.5 text-soft hover:text-ink" aria-label={`Clear: ${label}`} onClick={() => setText('')}>
          <X aria-hidden className="size-4" />
        </button>
      )}
    </div>
  );
}

export function Filters({ search, change }: { search: JobsSearch; change: (next: Partial<JobsSearch>) => void }) {
  return (
    <search className="mb-3 flex flex-wrap gap-2">
      <TextFilter wide id="search" label="Search task names, or an id" value={search.q ?? ''} onChange={(q) => change({ q: q || undefined })} />
      <TextFilter label="Exact task" value={search.task ?? ''} onChange={(task) => change({ task: task || undefined })} />
      <TextFilter label="Tag" value={search.tag ?? ''} onChange={(tag) => change({ tag: tag || undefined })} />
      <select aria-label="Priority" className="field w-auto! grow sm:grow-0" value={search.priority ?? ''} onChange={(event) => change({ priority: (event.target.value || undefined) as JobsSearch['priority'] })}>
        <option value="">Any priority</option>
        {PRIORITIES.map((each) => (
          <option key={each} value={each}>
            {word(each)}
          </option>
        ))}
      </select>
      <select aria-label="Period" className="field w-auto! grow sm:grow-0" value={search.period ?? ''} onChange={(event) => change({ period: (event.target.value || undefined) as JobsSearch['period'] })}>
        <option value="">Any time</option>
        {Object.entries(PERIODS).map(([name, label]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
    </search>
  );
}
