/** The way back of a `config` step, also when somebody else has changed the file since. */
import type { ConfigFound, UndoResult } from '../../contract/activities.js';
import { droppingOthers, overSsh, putFileBackLine, shellLine } from '../../contract/mend.js';
import { conflict } from '../../platform/failures.js';
import {
  type ConfigCall,
  type ConfigDeps,
  type ConfigRecord,
  digestValue,
  findFile,
  hasReference,
  nameOf,
  namesOf,
  type OpenFile,
  pathOf,
  readBeside,
  sha256,
  short,
  wantedValues,
} from './files.js';

/** How often somebody else may get in between before we leave it to the next attempt. */
const MOST_ROUNDS = 3;

/** @throws ApplicationFailure `Conflict` when our keys could not all be put back; `details` say what is left */
export async function undoConfigChange(
  deps: ConfigDeps,
  input: ConfigCall,
  signal: AbortSignal,
): Promise<UndoResult> {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const result = await tryOnce(deps, input, signal);
    if (result) return result;
  }
  throw new Error(`${input.base.file} was changed by someone else ${MOST_ROUNDS} times meanwhile.`);
}

/** @returns undefined when somebody else changed the file in the middle of it */
async function tryOnce(
  deps: ConfigDeps,
  input: ConfigCall,
  signal: AbortSignal,
): Promise<UndoResult | undefined> {
  const { base } = input;
  const open = await findFile(deps, input, signal);
  if (!open) throw leftBehind(input, await lookedAt(deps, input), 'deleted by someone else');
  const { host, file, found } = open;
  if (found.file !== base.file) {
    const where = `${found.file} in its place, where someone else made it lead`;
    throw leftBehind(input, await lookedAt(deps, input), where);
  }
  const names = namesOf(file.path, input);
  if (found.sha256 === base.sha256) {
    await host.clear(file.path, [names.backup, names.record]);
    return { summary: `${base.file} is as it was (${short(base.sha256)})`, changed: false };
  }
  const { backup, record } = await readBeside(host, names);
  if (record?.sha256 === found.sha256 && isOf(base, backup)) {
    if (!(await host.replace(file, backup, Number.parseInt(base.mode, 8)))) return undefined;
    await host.clear(file.path, [names.backup, names.record]);
    return { summary: `${base.file} is back to its bytes of before (${short(base.sha256)})`, changed: true };
  }
  if (!(await holdsOurs(deps, input, open, record))) {
    return {
      summary: `${base.file} holds nothing of this step; it is as someone else left it`,
      changed: false,
      untouched: true,
    };
  }
  if (!record || !isOf(base, backup)) throw hasNoBackup(input, open);
  return putOwnKeysBack(deps, input, open, { record, backup });
}

/** Without a record it was never replaced by this step, or somebody took the record away: then the values tell. */
async function holdsOurs(
  deps: ConfigDeps,
  input: ConfigCall,
  { file }: OpenFile,
  record: ConfigRecord | undefined,
): Promise<boolean> {
  if (record) return true;
  const now = deps.texts.values(file.bytes);
  return [...(await wantedValues(deps, input))].some(([key, value]) => now.get(key) === value);
}

async function putOwnKeysBack(
  { texts }: ConfigDeps,
  input: ConfigCall,
  { host, file }: OpenFile,
  { record, backup }: { record: ConfigRecord; backup: Buffer },
): Promise<UndoResult | undefined> {
  const { base } = input;
  const now = texts.values(file.bytes);
  const before = texts.values(backup);
  let bytes = file.bytes;
  const back: string[] = [];
  const left: string[] = [];
  for (const [key, digest] of Object.entries(record.values)) {
    const value = now.get(key);
    if (value === before.get(key)) continue;
    const isOurs = value !== undefined && digestValue(key, value) === digest;
    const edited = isOurs ? texts.putBack(bytes, backup, key) : undefined;
    if (edited) back.push(key);
    else left.push(key);
    bytes = edited ?? bytes;
  }
  if (back.length > 0 && !(await host.replace(file, bytes, file.mode))) return undefined;
  if (left.length > 0) {
    throw leftBehind(input, file.path, `other values in ${left.join(', ')}, set by someone else`);
  }
  if (back.length === 0) {
    return {
      summary: `${base.file} holds no value of this step; it is as someone else left it`,
      changed: false,
      untouched: true,
    };
  }
  return {
    summary: `${base.file}: ${back.join(', ')} put back; what someone else changed in it was kept, so it is not byte for byte as it was`,
    changed: true,
  };
}

function isOf(base: ConfigFound, backup: Buffer | undefined): backup is Buffer {
  return backup !== undefined && sha256(backup) === base.sha256;
}

/** Path of the file that was looked at. */
async function lookedAt(deps: ConfigDeps, input: ConfigCall): Promise<string> {
  const { place } = input.step.config;
  return hasReference(place) ? pathOf(deps, input) : input.base.file.slice(nameOf(place, '').length);
}

function leftBehind(input: ConfigCall, path: string, found: string) {
  const line = putFileBackLine(namesOf(path, input).backup, path, input.base.mode);
  return conflictOf(input, found, droppingOthers(line));
}

function hasNoBackup(input: ConfigCall, { file, found }: OpenFile) {
  return conflictOf(
    input,
    `${short(found.sha256)}, and no backup of what was there before`,
    `\${EDITOR:-vi} ${shellLine([file.path])}`,
  );
}

function conflictOf({ base, step }: ConfigCall, found: string, command: string) {
  const { place } = step.config;
  return conflict({
    item: `file ${base.file}`,
    found,
    expected: short(base.sha256),
    command: place.kind === 'ssh' ? overSsh(place, command) : command,
  });
}
