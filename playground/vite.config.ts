import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

// What Vite's own list of licences leaves out: fonts, code that only a worker holds, and what Monaco carries inside it.
const unlisted = [
  '@fontsource/fira-code/LICENSE',
  '@fontsource/roboto/LICENSE',
  'picomatch-browser/LICENSE',
  'vscode-languageserver-types/License.txt',
  'monaco-editor/ThirdPartyNotices.txt',
];

const notices: Plugin = {
  name: 'third-party-notices',
  generateBundle() {
    const sections = unlisted.map((path) => {
      const text = readFileSync(new URL(`node_modules/${path}`, import.meta.url), 'utf8');
      return `==== ${path} ====\n\n${text.trim()}\n`;
    });
    this.emitFile({ type: 'asset', fileName: 'NOTICES.txt', source: sections.join('\n') });
  },
};

// The page is served at {prefix}/graphql and its files at {prefix}/static/graphiql/, whatever the prefix. So the
// page names its files relative to itself, and the files name each other relative to themselves.
export default defineConfig({
  root: 'graphiql',
  plugins: [notices],
  build: {
    outDir: '../dist/graphiql',
    emptyOutDir: true,
    // A policy that allows no data: for scripts and workers holds only while nothing is inlined.
    assetsInlineLimit: 0,
    // Every browser the build targets preloads modules by itself.
    modulePreload: { polyfill: false },
    license: { fileName: 'LICENSES.md' },
    // Monaco is one chunk of 2.8 MB by nature; the page asks for it after its first render.
    chunkSizeWarningLimit: 3000,
    rolldownOptions: {
      // "use client" in the libraries' files means nothing in a browser bundle.
      checks: { moduleLevelDirective: false },
      output: {
        codeSplitting: {
          // Apart from our own code: a change of a tab's text renames one small file, and not Monaco's too.
          groups: [
            {
              name: 'libraries',
              test: /vite\/preload-helper|node_modules\/(?!monaco-|prettier\/)/,
              tags: ['$initial'],
            },
          ],
        },
      },
    },
  },
  worker: { format: 'es' },
  experimental: {
    renderBuiltUrl: (filename, { hostType }) =>
      hostType === 'html' ? `./static/graphiql/${filename}` : { relative: true },
  },
});
