import { createClient } from 'graphql-sse';
import { httpUrl, play } from './scenario.mjs';

let connection;
const client = createClient({
  url: httpUrl,
  singleConnection: false,
  retryAttempts: 0,
  fetchFn: (url, options) => {
    connection = new AbortController();
    return fetch(url, { ...options, signal: AbortSignal.any([connection.signal, options.signal]) });
  },
});

const watch = (query, variables, sink) =>
  client.subscribe({ query, variables }, { ...sink, next: (result) => sink.next(result.data) });
const execute = async (query, variables) => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(httpUrl, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
};
await play({ execute, watch, cut: () => connection.abort(), close: () => client.dispose() });
