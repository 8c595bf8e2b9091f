// What the reader chose, kept in this browser.
import { createStore } from './store';

const NAME = 'signalbox.preferences';

export interface Preferences {
  theme: 'system' | 'light' | 'dark';
  zone: 'local' | 'utc';
  keys: boolean;
}

const first: Preferences = { theme: 'system', zone: 'local', keys: true };

function read(): Preferences {
  try {
    return { ...first, ...JSON.parse(localStorage.getItem(NAME) ?? '{}') };
  } catch {
    return first;
  }
}

export const preferences = createStore(read());

function show() {
  const { theme } = preferences.get();
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

show();
preferences.subscribe(show);

export function prefer(change: Partial<Preferences>) {
  preferences.set({ ...preferences.get(), ...change });
  try {
    localStorage.setItem(NAME, JSON.stringify(preferences.get()));
  } catch {
    // storage is full or forbidden: the choice lasts as long as the page
  }
}
