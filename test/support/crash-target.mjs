// @ts-check
/**
 * A deploy target in one file: `node crash-target.mjs FOLDER VERB`. What it changes it changes once, however often it
 * is called, and it may be held before and after every change. As long as there is a file `broken prepare` nothing can
 * be prepared.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holdAt, note } from './crash-effects.mjs';

/** @typedef {{ id: string, version: string, url: string }} Release */

const [folder = '', verb = ''] = process.argv.slice(2);
const { HEADGATE_VERSION: version = '', HEADGATE_RELEASE: release = '' } = process.env;
const file = join(folder, 'target.json');
/** @type {{ live: Release, candidate: Release | null }} */
const state = JSON.parse(readFileSync(file, 'utf8'));

/** @param {Partial<typeof state>} next */
async function change(next) {
  await holdAt(folder, `before ${verb}`);
  writeFileSync(file, JSON.stringify({ ...state, ...next }));
  note(folder, `did ${verb}`);
  await holdAt(folder, `after ${verb}`);
}

switch (verb) {
  case 'status':
    console.log(JSON.stringify(state));
    break;
  case 'prepare': {
    if (existsSync(join(folder, 'broken prepare'))) throw new Error(`there is no image of ${version}`);
    const id = state.live.id === 'green' ? `${version} anew` : 'green';
    const candidate = state.candidate?.version === version ? state.candidate : { ...state.live, id, version };
    if (candidate !== state.candidate) await change({ candidate });
    console.log(JSON.stringify(candidate));
    break;
  }
  case 'promote':
  case 'restore':
    if (state.live.id === release) break;
    if (state.candidate?.id !== release) throw new Error(`there is no release ${release}`);
    await change({ live: state.candidate, candidate: state.live });
    break;
  case 'retire':
    if (state.live.id === release) throw new Error('it is live');
    if (state.candidate?.id === release) await change({ candidate: null });
    break;
  case 'restart':
    await change({});
    break;
  default:
    throw new Error(`no verb ${verb}`);
}
