import { QueryClientProvider } from '@tanstack/react-query';
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, RouterProvider } from '@tanstack/react-router';
import { createRoot } from 'react-dom/client';

import './app.css';

import { base } from './api/client';
import { follow } from './api/live';
import { cache } from './api/queries';
import { readSearch } from './jobs/filter';
import './lib/preferences';
import { readSearch as readOverviewSearch } from './overview/search';
import { Job } from './pages/Job';
import { Jobs } from './pages/Jobs';
import { Overview } from './pages/Overview';
import { Shell } from './Shell';
import { Empty } from './ui/basics';
import { readSearch as readWebhooksSearch } from './webhooks/search';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Empty title="There is no such page">
      <Link to="/" className="text-accent underline">
        Overview
      </Link>
    </Empty>
  ),
});

const router = createRouter({
  routeTree: root.addChildren([
    createRoute({ getParentRoute: () => root, path: '/', component: Overview, validateSearch: readOverviewSearch }),
    createRoute({ getParentRoute: () => root, path: '/jobs', component: Jobs, validateSearch: readSearch }),
    createRoute({ getParentRoute: () => root, path: '/jobs/$id', component: Job }),
    createRoute({
      getParentRoute: () => root,
      path: '/schedules',
      component: lazyRouteComponent(() => import('./pages/Schedules'), 'Schedules'),
    }),
    createRoute({
      getParentRoute: () => root,
      path: '/webhooks',
      component: lazyRouteComponent(() => import('./pages/Webhooks'), 'Webhooks'),
      validateSearch: readWebhooksSearch,
    }),
  ]),
  basepath: base,
  scrollRestoration: true,
  defaultPreload: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

void follow();

createRoot(document.getElementById('root')!).render(
  <QueryClientProvider client={cache}>
    <RouterProvider router={router} />
  </QueryClientProvider>,
);
