import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';

// The page is served at several depths below {prefix}/. Its <base> leads to {prefix}/: the server writes it.
export default defineConfig({
  root: 'dashboard',
  plugins: [tailwindcss()],
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    // The policy allows no data: addresses for scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'LICENSES.md' },
    rolldownOptions: {
      checks: { moduleLevelDirective: false },
      output: {
        codeSplitting: { groups: [{ name: 'libraries', test: /vite\/preload-helper|node_modules/, tags: ['$initial'] }] },
      },
    },
  },
  experimental: {
    renderBuiltUrl: (filename, { hostType }) =>
      hostType === 'html' ? `./static/dashboard/${filename}` : { relative: true },
  },
});
