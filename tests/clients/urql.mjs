import { cacheExchange, Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import { BrittleSocket, cutSocket, httpUrl, play, wsUrl } from './scenario.mjs';

const socket = createClient({ url: wsUrl, webSocketImpl: BrittleSocket, retryAttempts: 0 });
const client = new Client({
  url: httpUrl,
  exchanges: [
    cacheExchange,
    fetchExchange,
    subscriptionExchange({
      forwardSubscription: (request) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
      }),
    }),
  ],
  preferGetMethod: true,
});

const execute = async (document, variables) => {
  const ask = document.startsWith('query') ? client.query.bind(client) : client.mutation.bind(client);
  const { data, error } = await ask(document, variables, { requestPolicy: 'network-only' }).toPromise();
  if (error) throw error;
  return data;
};
const watch = (document, variables, sink) =>
  client
    .subscription(document, variables)
    .subscribe(({ data, error }) => (error ? sink.error(error) : sink.next(data)));
await play({ execute, watch, cut: cutSocket, close: () => socket.dispose() });
