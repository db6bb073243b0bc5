/** `deploy` by a workflow of GitHub Actions, killed around its dispatch and while its run is followed. */
import { expect } from 'vitest';
import type { Json } from '../../src/plan/resolved.js';
import type { Fact, Subject, World } from './crash-kind.js';
import type { Place } from './crash-place.js';
import {
  ADMIN_TOKEN,
  configFor,
  type Dispatch,
  type GithubDouble,
  openGithub,
  type SeenRequest,
  TOKEN,
} from './github-actions-api.js';

interface Seen {
  /** What the application says. */
  version: string | undefined;
  /** Refs of all runs, oldest first. */
  runs: string[];
}

interface GithubWorld extends World<Seen> {
  double: GithubDouble;
}

/** Dies while GitHub has the request and has not answered; the first one that fits. */
function dyingAt(name: string, fits: (request: SeenRequest) => boolean): Fact<GithubWorld> {
  return {
    name,
    arm: ({ world: { double }, kill }) =>
      new Promise((resolve, reject) => {
        let isOver = false;
        double.fault = (request, response) => {
          if (isOver || !fits(request)) return false;
          isOver = true;
          if (request.method === 'POST') double.carryOut(request.body as Dispatch);
          kill().then(resolve, reject);
          response.destroy();
          return true;
        };
      }),
  };
}

const isDispatchOf =
  (ref: string) =>
  ({ path, body }: SeenRequest) =>
    path.endsWith('/dispatches') && (body as Dispatch).ref === ref;
const isLookAt =
  (run: number) =>
  ({ path }: SeenRequest) =>
    path.endsWith(`/runs/${run}`);

async function openWorld(place: Place, change: { [key: string]: Json }): Promise<GithubWorld> {
  const double = await openGithub({ ends: 'success' });
  const live = { url: `${double.app}/admin/version`, bearer: '${env:ADMIN_TOKEN}' };
  const config = configFor(double, { token: '${env:GITHUB_TOKEN}', live, url: place.server.url, ...change });
  const target = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  return {
    double,
    probes: { healthy: { http: { url: '${release:url}/probe' }, expect: { path: 'status', equals: 200 } } },
    steps: [{ deploy: { githubActions: target, strategy: 'immediate', afterPromotion: ['healthy'] } }],
    env: {
      HEADGATE_ALLOWED_REFERENCES: 'GITHUB_TOKEN,ADMIN_TOKEN',
      GITHUB_TOKEN: TOKEN,
      ADMIN_TOKEN,
    },
    read: async () => ({ version: double.version, runs: double.runs.map(({ ref }) => ref) }),
    expectPromoted(_before, after) {
      expect(after).toEqual({ version: 'v1.0.1', runs: ['v1.0.0', 'v1.0.1'] });
    },
    expectRestored(_before, after) {
      expect(after).toEqual({ version: 'v1.0.0', runs: ['v1.0.0', 'v1.0.1', 'v1.0.0'] });
    },
    async close() {
      await double.close();
      expect(double.faults).toEqual([]);
    },
  };
}

export const githubDeploy: Subject<GithubWorld> = {
  name: 'deploy by GitHub Actions',
  acts: ['promoteRelease'],
  open: (place) => openWorld(place, {}),
  during: [
    dyingAt('its dispatch has arrived, unanswered', isDispatchOf('v1.0.1')),
    dyingAt('its run is looked at', isLookAt(2)),
  ],
  undo: [
    dyingAt('the dispatch of the old version has arrived, unanswered', isDispatchOf('v1.0.0')),
    dyingAt('the run of the old version is looked at', isLookAt(3)),
  ],
};

/** Nothing tells the run of a lost dispatch from another one: a person does. */
export const unmarkedGithubDeploy: Subject<GithubWorld> = {
  name: 'deploy by GitHub Actions without correlationInput',
  acts: [],
  open: async (place) => ({
    ...(await openWorld(place, { correlationInput: undefined as unknown as Json })),
    async answer({ message }) {
      expect(message).toMatch(/is not known: .*It may be run 2 .*has succeeded/);
      return { name: 'skip', step: 'production/deploy', reason: 'the run has succeeded' };
    },
  }),
  during: [dyingAt('its dispatch has arrived, unanswered', isDispatchOf('v1.0.1'))],
  undo: [dyingAt('the run of the old version is looked at', isLookAt(3))],
};
