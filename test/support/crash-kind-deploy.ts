/** `deploy` to a target of programs, killed while one of them is at work. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Json } from '../../src/plan/resolved.js';
import { heldAt, type Subject, type World } from './crash-kind.js';
import { type Place, program } from './crash-place.js';

interface Release {
  id: string;
  version: string;
}

export interface TargetSeen {
  live: Release;
  candidate: Release | null;
  /** What was changed, in order. */
  changes: string[];
}

export const deploy: Subject<World<TargetSeen>> = {
  name: 'deploy',
  acts: ['prepareRelease', 'promoteRelease'],

  async open(place) {
    const target = await openTarget(place);
    return {
      ...target,
      expectPromoted: (_before, after) => expectGreen(after),
      expectRestored(before, after) {
        expect([after.live, after.candidate]).toEqual([before.live, null]);
        expect(after.changes).toEqual(['prepare', 'promote', 'restore', 'retire']);
      },
    };
  },

  during: [
    heldAt('the candidate stands', 'after prepare'),
    heldAt('traffic is about to move', 'before promote'),
    heldAt('traffic has moved', 'after promote'),
    heldAt('the old release has been stopped', 'after retire'),
  ],
  undo: [
    heldAt('traffic is about to move back', 'before restore'),
    heldAt('traffic has moved back', 'after restore'),
    { name: 'what failed is asked', crash: { activity: 'collectDiagnostics', when: 'before' } },
    heldAt('what failed has been stopped', 'after retire'),
  ],
};

/** Blue is live, and a step that puts green in its place. */
export async function openTarget(place: Place) {
  const file = join(place.folder, 'target.json');
  const live = { id: 'blue', version: 'v1.0.0', url: place.server.url };
  await writeFile(file, JSON.stringify({ live, candidate: null }));
  const verbs = ['status', 'prepare', 'promote', 'restore', 'retire', 'restart'];
  const command = Object.fromEntries(
    verbs.map((verb) => [verb, program('crash-target.mjs', place.folder, verb)]),
  );
  const healthy: Json = { http: { url: '${release:url}/probe' }, expect: { path: 'status', equals: 200 } };
  const step: Json = {
    deploy: { command, strategy: 'blueGreen', beforePromotion: ['healthy'], afterPromotion: ['healthy'] },
  };
  return {
    probes: { healthy },
    steps: [step],
    async read(): Promise<TargetSeen> {
      const events = await place.events();
      const changes = events.flatMap((event) => (event.startsWith('did ') ? [event.slice(4)] : []));
      return { ...JSON.parse(await readFile(file, 'utf8')), changes };
    },
  };
}

/** Green is live, blue is gone, and each of it happened once. */
export function expectGreen({ live, candidate, changes }: TargetSeen): void {
  expect([live, candidate]).toMatchObject([{ id: 'green', version: 'v1.0.1' }, null]);
  expect(changes).toEqual(['prepare', 'promote', 'retire']);
}
