/**
 * `config`: sets keys of a dotenv file, and puts back what was there.
 *
 * Before the file is replaced, its bytes and digests of what will be written lie beside it, durable. So whatever was
 * killed wherever, the next attempt and the undo can tell by the file alone: it is as it was looked at, as this step
 * wrote it, or somebody else's. Values never leave this file.
 */
import type {
  ConfigEffect,
  ConfigFound,
  ConfigInput,
  HeadgateActivities,
  Look,
  UndoResult,
} from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import { drift, invalid } from '../../platform/failures.js';
import { withHeartbeat } from '../heartbeat.js';
import {
  applyTo,
  type ConfigCall,
  type ConfigDeps,
  digestValue,
  encodeRecord,
  namesOf,
  type OpenFile,
  openFile,
  readBeside,
  sha256,
  short,
  wantedValues,
} from './files.js';
import { undoConfigChange } from './undo.js';

const LONGEST_SHOWN = 100;

type ConfigActivities = Pick<
  HeadgateActivities,
  'lookConfig' | 'writeConfig' | 'verifyConfig' | 'undoConfig' | 'settleConfig'
>;

export function createConfigActivities(deps: ConfigDeps) {
  const beating = <T>(work: (signal: AbortSignal) => Promise<T>) => withHeartbeat(() => undefined, work);
  return {
    lookConfig: (input) => beating((signal) => lookConfig(deps, input, signal)),
    writeConfig: (input) => beating((signal) => writeConfig(deps, input, signal)),
    verifyConfig: (input) => beating((signal) => verifyConfig(deps, input, signal)),
    undoConfig: (input) => beating((signal) => undoConfigChange(deps, input, signal)),
    settleConfig: (input) => beating((signal) => settleConfig(deps, input, signal)),
  } satisfies ConfigActivities;
}

async function lookConfig(
  deps: ConfigDeps,
  input: ConfigInput,
  signal: AbortSignal,
): Promise<Look<ConfigFound>> {
  const open = await openFile(deps, input, signal);
  const { file, found } = open;
  if (file.obstacle) throw invalid(`${found.file} cannot be replaced: ${file.obstacle}.`);
  const wanted = await wantedValues(deps, input);
  const { changedKeys } = applyTo(deps, open, wanted);
  const now = deps.texts.values(file.bytes);
  const { set } = input.step.config;
  return {
    found,
    changes: changedKeys.map(
      (key) =>
        `${found.file}#${key}: set to ${shortened(set[key] ?? '')} (now: ${now.has(key) ? 'another value' : 'absent'})`,
    ),
    warnings: warningsOf(deps, open, changedKeys),
    effect: changedKeys.length === 0 ? 'none' : 'idempotent',
    undo: `${found.file} back to its bytes of before (${short(found.sha256)})`,
    estimateMs: input.step.config.place.kind === 'ssh' ? 5000 : 100,
    digest: sha256(JSON.stringify([found.file, file.path, found.sha256, Object.entries(set).sort(byKey)])),
  };
}

function warningsOf({ texts }: ConfigDeps, { file, found, written }: OpenFile, keys: string[]): string[] {
  const unseen = keys.filter((key) => !texts.isSeenByNode(file.bytes, key));
  return [
    ...(found.file === written ? [] : [`${written} leads to ${found.file}, which is what is changed`]),
    ...unseen.map(
      (key) =>
        `${found.file}#${key}: Node's own parser (--env-file) reads these lines otherwise than dotenv does; it is written as dotenv reads it`,
    ),
  ];
}

async function writeConfig(deps: ConfigDeps, input: ConfigCall, signal: AbortSignal): Promise<ConfigEffect> {
  const { base } = input;
  const open = await openFile(deps, input, signal);
  const { host, file, found } = open;
  const names = namesOf(file.path, input);
  if (found.file === base.file && found.sha256 === base.sha256) {
    const { bytes, changedKeys } = applyTo(deps, open, await wantedValues(deps, input));
    if (changedKeys.length === 0) return { sha256: base.sha256, changedKeys };
    const values = deps.texts.values(bytes);
    const record = {
      sha256: sha256(bytes),
      values: Object.fromEntries(changedKeys.map((key) => [key, digestValue(key, values.get(key) ?? '')])),
    };
    await host.writePrivate([
      { path: names.backup, bytes: file.bytes },
      { path: names.record, bytes: encodeRecord(record) },
    ]);
    if (await host.replace(file, bytes, file.mode)) return { sha256: record.sha256, changedKeys };
    // Ours was never live, and the undo has to know: there is nothing of ours to take out of theirs.
    await host.clear(file.path, [names.record, names.backup]);
    const now = await openFile(deps, input, signal);
    throw changedMeanwhile(base, now.found);
  }
  const { record } = await readBeside(host, names);
  if (record?.sha256 === found.sha256) {
    return { sha256: found.sha256, changedKeys: Object.keys(record.values) };
  }
  throw changedMeanwhile(base, found);
}

async function verifyConfig(deps: ConfigDeps, input: ConfigCall, signal: AbortSignal): Promise<Measurement> {
  const startedAt = performance.now();
  const { host, file, found } = await openFile(deps, input, signal);
  const isAsBefore = found.sha256 === input.base.sha256;
  const { backup } = isAsBefore ? { backup: file.bytes } : await readBeside(host, namesOf(file.path, input));
  const wanted = await wantedValues(deps, input);
  const now = deps.texts.values(file.bytes);
  const before = backup && deps.texts.values(backup);
  const wrong = [...wanted].filter(([key, value]) => now.get(key) !== value).map(([key]) => key);
  const others = [...new Set([...(before?.keys() ?? []), ...now.keys()])].filter((key) => !wanted.has(key));
  const touched = others.filter((key) => before?.get(key) !== now.get(key));
  const faults = [
    ...(found.file === input.base.file ? [] : [`it is in place of ${input.base.file}, which was changed`]),
    ...(wrong.length > 0 ? [`not as set: ${wrong.join(', ')}`] : []),
    ...(before === undefined ? ['its backup is gone, so that other keys cannot be compared'] : []),
    ...(before !== undefined && touched.length > 0 ? [`changed by someone else: ${touched.join(', ')}`] : []),
  ];
  const right = `${wanted.size} keys as set, ${others.length} other keys unchanged`;
  return {
    probe: 'config',
    outcome: faults.length === 0 ? 'pass' : 'fail',
    at: new Date().toISOString(),
    message: `${found.file}: ${faults.length === 0 ? right : faults.join('; ')}`,
    values: {
      sha256: found.sha256,
      keysSet: wanted.size - wrong.length,
      ...(before === undefined ? {} : { otherKeysChanged: touched.length }),
    },
    durationMs: Math.round(performance.now() - startedAt),
  };
}

/** Ours stays: an `undo` of what was promoted needs it. */
async function settleConfig(deps: ConfigDeps, input: ConfigCall, signal: AbortSignal): Promise<UndoResult> {
  const { host, file, found } = await openFile(deps, input, signal);
  const { ownPrefix } = namesOf(file.path, input);
  const dead = (await host.list(file.path)).filter(
    (path) =>
      !path.startsWith(ownPrefix) && /^\.headgate-[\w.-]+\.(bak|json)$/.test(path.slice(file.path.length)),
  );
  await host.clear(file.path, dead);
  if (dead.length === 0) return { summary: `no older backup lies beside ${found.file}`, changed: false };
  return { summary: `${dead.length} files of earlier rollouts beside ${found.file} removed`, changed: true };
}

function changedMeanwhile(base: ConfigFound, found: ConfigFound) {
  const what =
    found.file === base.file
      ? `${base.file} was changed by someone else: it is ${short(found.sha256)}, expected ${short(base.sha256)}, which was looked at.`
      : `${base.file} was looked at, and now ${found.file} is in its place.`;
  return drift(`${what} Nothing was changed. Look at what is there, then start again.`, {
    item: `file ${base.file}`,
    found: `${found.file} ${short(found.sha256)}`,
    expected: `${base.file} ${short(base.sha256)}`,
  });
}

function shortened(written: string): string {
  return JSON.stringify(written.length > LONGEST_SHOWN ? `${written.slice(0, LONGEST_SHOWN)}…` : written);
}

function byKey([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
