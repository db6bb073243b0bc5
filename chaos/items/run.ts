/** A program of the user's that does something, takes it back, and may be able to tell whether it is done. */
import type { Thing } from '../control.js';
import { type Ground, type Item, programOf, type Seen } from './item.js';

export interface RunItem extends Item {
  isDone(): boolean;
}

export async function openRun(ground: Ground, stage: string, verified: boolean): Promise<RunItem> {
  const name = `${stage}/job`;
  let done = false;
  /** It was carried out although it was done. */
  let twice = 0;
  const thing: Thing = {
    reading: (verb) => verb === 'verify',
    fact: ({ verb }) => verb,
    async carryOut({ verb }) {
      if (verb === 'verify') return { code: done ? 0 : 1, out: done ? 'it is done' : 'it is not done' };
      if (verb === 'act' && done) twice += 1;
      done = verb === 'act';
      return { code: 0, out: `${verb} done` };
    },
  };
  ground.control.things.set(name, thing);
  const call = (verb: string) => [...programOf(ground, name), verb];
  return {
    step: `${stage}/run`,
    config: {
      run: {
        command: call('act'),
        undo: call('undo'),
        timeout: '30s',
        ...(verified ? { verify: call('verify') } : {}),
      },
    },
    async look(): Promise<Seen> {
      const standing = twice > 0 ? 'broken' : done ? 'target' : 'before';
      return {
        standing,
        isAsBefore: !done,
        what: `${name}: ${done ? 'done' : 'not done'}${twice > 0 ? `, ${twice} times too often` : ''}`,
      };
    },
    isDone: () => done,
    async mend() {
      done = false;
    },
  };
}
