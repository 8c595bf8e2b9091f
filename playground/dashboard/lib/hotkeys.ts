// Keys, silent while the reader types, in dialogs, and where they were switched off.
import { useEffect, useRef } from 'react';
import { preferences } from './preferences';

const TYPING = 'input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]';

export function useHotkeys(keys: Record<string, (event: KeyboardEvent) => void>) {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    let prefix = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    function pressed(event: KeyboardEvent) {
      const target = event.target as HTMLElement;
      if (!preferences.get().keys || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (target.matches?.(TYPING) || document.querySelector('dialog[open]')) return;
      const name = prefix + event.key;
      prefix = '';
      clearTimeout(timer);
      const act = current.current[name];
      if (act) {
        event.preventDefault();
        act(event);
      } else if (event.key === 'g') {
        prefix = 'g ';
        timer = setTimeout(() => (prefix = ''), 1000);
      }
    }
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, []);
}
