// GraphiQL for the server that serves this page: queries over HTTP, subscriptions over graphql-transport-ws, both at
// the page's own path. What the headers tab holds goes out as HTTP headers and as the connection_init payload.
import './workers';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { type DocumentNode, Kind, parse } from 'graphql';
import { CloseCode, createClient } from 'graphql-ws';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';

import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import './page.css';

import { fetchExact, keepNumber, parseExact } from './exact';
import { operation as given } from './given';
import { firstTabs } from './operations';
import { headersMayPersist, storage } from './storage';

const endpoint = new URL(location.pathname, location.origin);
const websocketEndpoint = new URL(endpoint);
websocketEndpoint.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

// What the variables tab holds, as text: GraphiQL hands over what it has parsed, with its numbers rounded.
let variablesText = () => '';

function exactVariables(parsed: unknown): unknown {
  try {
    return parseExact(variablesText());
  } catch {
    return parsed; // there are none, or they have comments
  }
}

// For a moment after a change of tabs, GraphiQL still names the operation of the tab it came from. What is sent is
// what the editor holds.
function current(operation: FetcherParams): { operation: FetcherParams; document?: DocumentNode } {
  let document: DocumentNode;
  try {
    document = parse(operation.query);
  } catch {
    return { operation }; // the server says what is wrong with it
  }
  const names = document.definitions.flatMap((each) =>
    each.kind === Kind.OPERATION_DEFINITION ? [each.name?.value] : [],
  );
  return { operation: names.length === 1 ? { ...operation, operationName: names[0] } : operation, document };
}

// One client for one operation, so that each connection_init carries the headers of its own tab. A refused key is
// reported at once; graphql-ws on its own would try it five times more, in silence.
const fetcher: Fetcher = (given, options) => {
  const { operation, document } = current({ ...given, variables: given.variables && exactVariables(given.variables) });
  return createGraphiQLFetcher({
    url: endpoint.href,
    fetch: fetchExact,
    wsClient: createClient({
      url: websocketEndpoint.href,
      connectionParams: options?.headers,
      jsonMessageReviver: keepNumber,
      shouldRetry: (cause) => cause instanceof CloseEvent && cause.code !== CloseCode.Forbidden,
    }),
    enableIncrementalDelivery: false,
  })(operation, { ...options, documentAST: document ?? options?.documentAST });
};

// GraphiQL's styles follow a change of the system's theme while the page is open; its editors need to be told.
function FollowSystemTheme() {
  const { theme } = useGraphiQL(pick('theme'));
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const follow = () => setTheme(theme);
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, [theme, setTheme]);
  return null;
}

function ReadVariables() {
  const { variableEditor } = useGraphiQL(pick('variableEditor'));
  useEffect(() => {
    variablesText = () => variableEditor?.getValue() ?? '';
  }, [variableEditor]);
  return null;
}

const plugins = [HISTORY_PLUGIN, explorerPlugin()];

createRoot(document.getElementById('root')!).render(
  <GraphiQL
    fetcher={fetcher}
    storage={storage}
    plugins={plugins}
    defaultTabs={given ? [given, ...firstTabs] : firstTabs}
    initialQuery={given?.query}
    initialVariables={given?.variables}
    defaultQuery=""
    // Without this, GraphiQL forgets the user's choice at a reload.
    shouldPersistHeaders={headersMayPersist()}
    showPersistHeadersSettings
  >
    <GraphiQL.Logo>
      <FollowSystemTheme />
      <ReadVariables />
      <a className="graphiql-logo-link" href="./">
        Signalbox
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
