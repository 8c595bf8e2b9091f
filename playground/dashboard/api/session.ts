// The API key of this tab, and what it may do. It is forgotten with the tab.
import { createStore } from '../lib/store';

const NAME = 'signalbox.key';

interface Session {
  state: 'open' | 'asking';
  wasRefused: boolean;
  readOnly: boolean;
}

export const session = createStore<Session>({ state: 'open', wasRefused: false, readOnly: false });

export const key = () => sessionStorage.getItem(NAME);

export function signIn(given: string) {
  sessionStorage.setItem(NAME, given);
  session.set({ state: 'open', wasRefused: false, readOnly: false });
}

export function signOut() {
  sessionStorage.removeItem(NAME);
  session.set({ state: 'asking', wasRefused: false, readOnly: false });
}

/** The server refused this key; an answer to one that was given up meanwhile says nothing of its successor. */
export function refused(used: string | null) {
  if (used !== key()) return;
  sessionStorage.removeItem(NAME);
  const { state, wasRefused } = session.get();
  session.set({ state: 'asking', wasRefused: Boolean(used) || (state === 'asking' && wasRefused), readOnly: false });
}
