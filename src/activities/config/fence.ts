/**
 * Does the file still say what was written? A comment that somebody adds changes nothing that an application reads.
 * Which keys differ is told by what lies beside the file; no value leaves it.
 */
import type { ConfigInput } from '../../contract/activities.js';
import type { Reading } from '../fences.js';
import {
  type ConfigDeps,
  type ConfigRecord,
  digestValue,
  findFile,
  nameOf,
  namesOf,
  type OpenFile,
  readBeside,
  short,
} from './files.js';

const MOST_NAMED = 5;

export async function readConfigFile(
  deps: ConfigDeps,
  { made, ...input }: ConfigInput & { made: string },
  signal: AbortSignal,
): Promise<Reading> {
  const open = await findFile(deps, input, signal);
  const { place } = input.step.config;
  if (!open) {
    return { what: `file ${nameOf(place, place.file)}`, expected: 'there', found: 'deleted', now: null };
  }
  const { file, found, host } = open;
  if (found.sha256 === made) return undefined;
  const { backup, record } = await readBeside(host, namesOf(file.path, input));
  const keys = record?.sha256 === made && backup ? keysThatDiffer(deps, open, record, backup) : undefined;
  if (keys?.length === 0) return undefined;
  return {
    what: `file ${found.file}`,
    expected: `as written (${short(made)})`,
    found: keys ? `other values of ${nameSome(keys)} (${short(found.sha256)})` : short(found.sha256),
    now: { kind: 'file', sha256: found.sha256 },
  };
}

/** Of ours by their digests, of the others by the bytes of before. */
function keysThatDiffer(
  { texts }: ConfigDeps,
  { file }: OpenFile,
  record: ConfigRecord,
  backup: Buffer,
): string[] {
  const now = texts.values(file.bytes);
  const before = texts.values(backup);
  const keys = new Set([...Object.keys(record.values), ...before.keys(), ...now.keys()]);
  return [...keys].filter((key) => {
    const value = now.get(key);
    const ours = record.values[key];
    if (ours === undefined) return value !== before.get(key);
    return value === undefined || digestValue(key, value) !== ours;
  });
}

function nameSome(keys: string[]): string {
  const left = keys.length - MOST_NAMED;
  return `${keys.slice(0, MOST_NAMED).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}
