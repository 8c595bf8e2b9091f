import { createClient } from 'graphql-ws';
import { BrittleSocket, cutSocket, play, wsUrl } from './scenario.mjs';

// The client by itself reconnects with the variables it began with; whoever resumes subscribes again with a new `after`.
const client = createClient({ url: wsUrl, webSocketImpl: BrittleSocket, retryAttempts: 0 });

const watch = (query, variables, sink) =>
  client.subscribe({ query, variables }, { ...sink, next: (result) => sink.next(result.data) });
const execute = (query, variables) =>
  new Promise((resolve, reject) =>
    client.subscribe(
      { query, variables },
      { next: ({ data, errors }) => (errors ? reject(errors) : resolve(data)), error: reject, complete() {} },
    ),
  );
await play({ execute, watch, cut: cutSocket, close: () => client.dispose() });
