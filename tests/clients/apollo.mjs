import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import { BrittleSocket, cutSocket, httpUrl, play, wsUrl } from './scenario.mjs';

const socket = createClient({ url: wsUrl, webSocketImpl: BrittleSocket, retryAttempts: 0 });
const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(socket),
    new HttpLink({ uri: httpUrl }),
  ),
});

const execute = async (document, variables) => {
  const query = gql(document);
  const isQuery = query.definitions[0].operation === 'query';
  const asked = { variables, fetchPolicy: isQuery ? 'network-only' : 'no-cache' };
  const { data, error } = await (isQuery ? client.query({ query, ...asked }) : client.mutate({ mutation: query, ...asked }));
  if (error) throw error;
  return data;
};
const watch = (document, variables, sink) =>
  client.subscribe({ query: gql(document), variables }).subscribe({
    ...sink,
    next: ({ data, error }) => (error ? sink.error(error) : sink.next(data)),
  });
await play({ execute, watch, cut: cutSocket, close: () => socket.dispose() });
