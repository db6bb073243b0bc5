/** `run`: a program that may be asked whether it is done, and one that cannot tell. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { heldAt, type Subject, type World } from './crash-kind.js';
import { type Place, program, whenHeld } from './crash-place.js';

/** What was done and what was taken back, in order. */
type Done = string[];

export const run: Subject<World<Done>> = {
  name: 'run',
  acts: ['runCommand'],
  open: async (place) => worldOf(place, { verify: callOf(place, 'verify') }),
  during: [heldAt('nothing is done yet', 'before job act'), heldAt('all is done', 'after job act')],
  undo: [
    heldAt('nothing is taken back yet', 'before job undo'),
    heldAt('all is taken back', 'after job undo'),
  ],
};

/** Nobody can know what a killed program has done: it is never repeated by itself, a person is asked. */
export const unverifiedRun: Subject<World<Done>> = {
  name: 'run, without verify',
  acts: ['runCommand'],
  open: async (place) => ({
    ...worldOf(place, {}),
    async answer({ for: what, message, step }) {
      expect([what, step]).toEqual(['decision', 'production/run']);
      expect(message).toMatch(/the worker was lost while .* ran: nobody knows whether it is done/);
      const name = (await readDone(place)).includes('job act') ? 'skip' : 'retry';
      return { name, step: 'run', reason: 'its log has been looked at' };
    },
  }),
  during: [heldAt('nothing is done yet', 'before job act'), heldAt('all is done', 'after job act')],
  undo: [heldAt('all is taken back', 'after job undo')],
};

/** A verify that is ended is no evidence that nothing was done: a person is asked, as if there were none. */
export const brokenVerifyRun: Subject<World<Done>> = {
  name: 'run, whose verify breaks',
  acts: [],
  open: async (place) => ({
    ...worldOf(place, { verify: callOf(place, 'verify') }),
    async answer({ message }) {
      expect(message).toMatch(/nobody knows whether it is done, and its verify could not tell/);
      await rm(brokenOf(place));
      return { name: 'skip', step: 'run', reason: 'its log has been looked at' };
    },
  }),
  during: [
    {
      name: 'all is done',
      arm: ({ place, kill }) =>
        whenHeld(place, 'after job act', async () => {
          await writeFile(brokenOf(place), '');
          await kill();
        }),
    },
  ],
  undo: [],
};

function brokenOf({ folder }: Place): string {
  return join(folder, 'broken verify');
}

function worldOf(place: Place, more: { verify?: string[] }): World<Done> {
  return {
    steps: [{ run: { command: callOf(place, 'act'), undo: callOf(place, 'undo'), ...more } }],
    read: () => readDone(place),
    expectPromoted: (_before, after) => expect(after).toEqual(['job act']),
    expectRestored: (_before, after) => expect(after).toEqual(['job act', 'job undo']),
  };
}

function callOf({ folder }: Place, verb: string): string[] {
  return program('crash-program.mjs', folder, 'job', verb);
}

async function readDone(place: Place): Promise<Done> {
  const events = await place.events();
  return events.flatMap((event) => (event.startsWith('did ') ? [event.slice(4)] : []));
}
