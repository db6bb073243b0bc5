/** Kinds that measure and wait: what they judge is an HTTP server that knows when it was asked. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Waiting } from '../../src/contract/progress.js';
import type { Json } from '../../src/plan/resolved.js';
import type { Answer, Fact, Subject, World } from './crash-kind.js';
import { expectGreen, openTarget, type TargetSeen } from './crash-kind-deploy.js';
import type { Place } from './crash-place.js';
import { waitFor } from './processes.js';

const CHANGES_NOTHING = 'it changes nothing, so that nothing is taken back';

type Asked = World<{ asked: string[] }>;

export const check: Subject<Asked> = {
  name: 'check',
  acts: ['awaitProbes'],
  open: async (place) => ({
    probes: { healthy: probeOf(place) },
    steps: [{ check: { probes: ['healthy'], timeout: '30s', interval: '500ms' } }],
    ...askedOf(place, '/probe'),
    expectPromoted: (_before, { asked }) => expect(asked.length).toBeGreaterThan(0),
  }),
  during: [requested('its probe is measured', '/probe')],
  undo: CHANGES_NOTHING,
};

/** What is sent is sent again only where nobody can know whether it arrived, and then bears the same id. */
export const writingCheck: Subject<Asked> = {
  name: 'check, with a probe that writes',
  acts: ['awaitProbes'],
  open: async (place) => ({
    probes: {
      booking: {
        http: {
          method: 'POST',
          url: `${place.server.url}/booking?rollout=\${rollout:id}`,
          body: { ok: true },
        },
        expect: { path: 'status', equals: 200 },
      },
    },
    steps: [{ check: { probes: ['booking'], timeout: '30s', interval: '500ms' } }],
    ...askedOf(place, '/booking'),
    expectPromoted(_before, { asked }) {
      expect([1, 2]).toContain(asked.length);
      expect(new Set(asked).size).toBe(1);
    },
  }),
  during: [requested('it has been sent', '/booking')],
  undo: CHANGES_NOTHING,
};

export const loadTest: Subject<Asked> = {
  name: 'loadTest',
  acts: ['runLoadTest'],
  async open(place) {
    await mkdir(join(place.folder, 'plan'));
    await writeFile(join(place.folder, 'plan', 'load.js'), SCRIPT);
    return {
      steps: [
        {
          loadTest: {
            script: 'load.js',
            env: { BASE_URL: place.server.url },
            timeout: '60s',
            expect: [{ metric: 'http_req_failed', path: 'rate', lt: 0.01 }],
          },
        },
      ],
      ...askedOf(place, '/begin'),
      expectPromoted: (_before, { asked }) => expect([1, 2]).toContain(asked.length),
    };
  },
  during: [requested('k6 has sent its first request', '/load')],
  undo: 'it changes nothing; k6 ends with the step',
};

const SCRIPT = `import http from 'k6/http';
export const options = { vus: 2, duration: '3s' };
export function setup() { http.get(__ENV.BASE_URL + '/begin'); }
export default function () { http.get(__ENV.BASE_URL + '/load'); }
`;

const MONITORED_MS = 15_000;

export const monitor: Subject<Asked> = {
  name: 'monitor',
  acts: ['sampleProbes'],
  open: async (place) => ({
    probes: { healthy: probeOf(place) },
    steps: [{ monitor: { for: `${MONITORED_MS / 1000}s`, interval: '500ms', probes: ['healthy'] } }],
    ...askedOf(place, '/probe'),
    /** Part of the time nobody measured: that is for a person to judge. */
    answer: async ({ for: what, message }) => {
      expect([what, message]).toEqual([
        'decision',
        expect.stringMatching(/^not enough evidence: healthy has/),
      ]);
      return { name: 'skip', step: 'monitor', reason: 'the worker was killed' };
    },
    expectPromoted(_before, { asked }, { steps }) {
      expect(asked.length).toBeGreaterThan(1);
      const { startedAt = '', endedAt = '' } = steps.find(({ kind }) => kind === 'monitor') ?? {};
      const lastedMs = Date.parse(endedAt) - Date.parse(startedAt);
      expect(lastedMs).toBeGreaterThanOrEqual(MONITORED_MS);
      // A timer that had been started anew would have taken as long again.
      expect(lastedMs).toBeLessThan(2 * MONITORED_MS);
    },
  }),
  during: [requested('its first sample is taken', '/probe')],
  undo: CHANGES_NOTHING,
};

export const approval: Subject<World<TargetSeen>> = {
  name: 'approval',
  acts: ['composeEvidence'],
  async open(place) {
    const target = await openTarget(place);
    return {
      ...target,
      steps: [{ approval: {} }, ...target.steps],
      answer: async ({ gate = '', digest = '' }: Waiting): Promise<Answer> => ({
        name: 'approve',
        gate,
        digest,
      }),
      expectPromoted(_before, after, { approvals }) {
        expect(approvals).toMatchObject([{ gate: 'production/approval', answer: 'approved', by: 'ana' }]);
        expectGreen(after);
      },
    };
  },
  during: [
    {
      name: 'people are asked',
      async arm({ describe, kill }) {
        const isAsking = async () => (await describe())?.progress?.waiting?.for === 'approval';
        await waitFor(isAsking, 'the question', 60_000, 100);
        await kill();
      },
    },
  ],
  undo: 'it changes nothing: what it covers is taken back by its own steps',
};

function probeOf({ server }: Place): Json {
  return { http: { url: `${server.url}/probe` }, expect: { path: 'status', equals: 200 } };
}

function askedOf(place: Place, path: string) {
  return { read: async () => ({ asked: place.requests.filter((request) => request.startsWith(path)) }) };
}

/** Killed before the request is answered. */
function requested(name: string, path: string): Fact<Asked> {
  return {
    name,
    arm({ place, kill }) {
      place.onRequest = async (request) => {
        if (request.startsWith(path)) await kill();
      };
    },
  };
}
