// Where GraphiQL keeps tabs, history and settings: this browser's local storage, under this page's own prefix.
// GraphiQL's usual prefix is shared by every GraphiQL of an origin, and localhost:8000 has seen many.
import { createLocalStorage } from '@graphiql/toolkit';

const local = createLocalStorage({ namespace: `signalbox:${location.pathname}` });
const consentKey = 'graphiql:shouldPersistHeaders';
const historyKeys = ['graphiql:queries', 'graphiql:favorites'];

/** Whether the user switched "Persist headers" on. Off unless they did: headers carry API keys. */
export function headersMayPersist(): boolean {
  return local.getItem(consentKey) === 'true';
}

function withoutHeaders(history: string): string {
  return JSON.stringify(JSON.parse(history), (key, value) => (key === 'headers' ? undefined : value));
}

// GraphiQL asks for consent before it stores the headers of its tabs, and not before it stores those of its history.
export const storage: typeof local = {
  getItem: local.getItem,
  setItem(key, value) {
    const strips = historyKeys.includes(key) && !headersMayPersist();
    local.setItem(key, strips ? withoutHeaders(value) : value);
    if (key === consentKey && value !== 'true') {
      for (const historyKey of historyKeys) {
        const history = local.getItem(historyKey);
        if (history) local.setItem(historyKey, withoutHeaders(history));
      }
    }
  },
  removeItem: local.removeItem,
  clear: local.clear,
  get length() {
    return local.length;
  },
};
