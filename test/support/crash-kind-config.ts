/** `config`: a dotenv file, its mode, and what lies beside it. */
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Fact, Subject, World } from './crash-kind.js';

const OTHERS = '# kept as it is\nexport TOKEN="sto\\"red" # and this\n\nUNICODE=café\n';
const BEFORE = `DB_CONNECTION_LIMIT=20\n${OTHERS}`;
const AFTER = `DB_CONNECTION_LIMIT=50\n${OTHERS}`;

interface ConfigSeen {
  text: string;
  mode: string;
  other: string;
  /** Names of what Headgate has put beside it. */
  beside: string[];
}

export const config: Subject<World<ConfigSeen>> = {
  name: 'config',
  acts: ['writeConfig'],

  async open({ folder }) {
    const file = join(folder, '.env');
    await writeFile(file, BEFORE);
    await chmod(file, 0o640);
    await writeFile(join(folder, '.env.other'), BEFORE);
    return {
      steps: [{ config: { local: { file }, set: { DB_CONNECTION_LIMIT: '50' } } }],
      read: async () => ({
        text: await readFile(file, 'utf8'),
        mode: ((await stat(file)).mode & 0o7777).toString(8),
        other: await readFile(join(folder, '.env.other'), 'utf8'),
        beside: (await readdir(folder)).filter((name) => name.startsWith('.env.headgate')).sort(),
      }),
      expectPromoted(before, after) {
        const { mode, other } = before;
        // The backup stays, for an undo of what was promoted.
        const beside = [expect.stringMatching(/\.bak$/), expect.stringMatching(/\.json$/)];
        expect(after).toEqual({ text: AFTER, mode, other, beside });
      },
      expectRestored: (before, after) => expect(after).toEqual(before),
    };
  },

  during: [
    moving('its backup is there, and the file as before', 'before', 1),
    moving('it has been replaced', 'after', 1),
  ],
  undo: [moving('it is about to be put back', 'before', 2), moving('it has been put back', 'after', 2)],
};

/** The file is replaced whole: by a move, the second one being that of the way back. */
function moving(name: string, when: 'before' | 'after', nth: number): Fact<World<ConfigSeen>> {
  return { name, crash: { rename: '/.env', when, nth } };
}
