// Writes the types of schema/schema.graphql for the dashboard: dashboard/api/schema.ts. `npm run build` begins with it.
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import { parse } from 'graphql';
import { readFileSync, writeFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const file = new URL('dashboard/api/schema.ts', import.meta.url);
const text = await codegen({
  documents: [],
  config: {
    avoidOptionals: { field: true },
    enumsAsTypes: true,
    maybeValue: 'T | null',
    onlyOperationTypes: false,
    scalars: { DateTime: 'string', ID: 'string', JSON: 'unknown' },
    skipTypename: true,
  },
  filename: file.pathname,
  plugins: [{ typescript: {} }],
  pluginMap: { typescript },
  schema: parse(read('../schema/schema.graphql')),
});
writeFileSync(file, `// Written by schema-types.mjs from schema/schema.graphql.\n\n${text}`);
