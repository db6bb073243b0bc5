/**
 * `secret`: merges keys into a JSON secret, and puts back what was there.
 *
 * The new value is put under a private label and AWSCURRENT is moved by compare-and-set, so every activity may be
 * repeated after a crash at any point: the version's id is a hash of run, step and base version. The base version
 * gets a label too, because AWS drops versions that have none. Stored values never leave this file.
 */
import type {
  HeadgateActivities,
  Look,
  SecretEffect,
  SecretFound,
  SecretInput,
  UndoResult,
} from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import { drift } from '../../platform/failures.js';
import type { SecretPlace, SecretStore } from '../../tools/aws/secrets-manager.js';
import { undoSecretChange } from './undo.js';
import {
  ensureLabel,
  namesOf,
  type SecretCall,
  type SecretDeps,
  type SecretNames,
  sha256,
  shortId,
} from './versions.js';

const LONGEST_SHOWN = 100;

type SecretActivities = Pick<
  HeadgateActivities,
  'lookSecret' | 'putSecret' | 'verifySecret' | 'undoSecret' | 'settleSecret'
>;

export function createSecretActivities(deps: SecretDeps) {
  return {
    lookSecret: (input: SecretInput) => lookSecret(deps, input),
    putSecret: (input: SecretCall) => putSecret(deps, input),
    verifySecret: (input: SecretCall) => verifySecret(deps, input),
    undoSecret: (input: SecretCall): Promise<UndoResult> => undoSecretChange(deps, input),
    settleSecret: (input: SecretCall) => settleSecret(deps, input),
  } satisfies SecretActivities;
}

async function lookSecret(deps: SecretDeps, input: SecretInput): Promise<Look<SecretFound>> {
  const place = input.step.config.awsSecretsManager;
  const state = await deps.secrets.describe(place);
  const { versionId, text } = await deps.secrets.readCurrent(place);
  const members = deps.texts.members(place.id, text);
  const changes: string[] = [];
  for (const [key, written] of Object.entries(input.step.config.set)) {
    const wanted = await deps.references.resolveText(written, subjectOf(input));
    if (deps.texts.holds(members.get(key), wanted)) continue;
    const now = members.has(key) ? 'another value' : 'absent';
    changes.push(`${place.id}#${key}: set to ${shortened(written)} (now: ${now})`);
  }
  return {
    found: { arn: state.arn, versionId },
    changes,
    warnings: state.rotates ? [`${place.id} rotates by itself: a rotation meanwhile counts as drift`] : [],
    effect: changes.length === 0 ? 'none' : 'idempotent',
    undo: `AWSCURRENT of ${place.id} back to version ${shortId(versionId)}`,
    estimateMs: 2000,
    digest: sha256([state.arn, versionId, Object.entries(input.step.config.set).sort(byKey)]),
  };
}

async function putSecret(deps: SecretDeps, input: SecretCall): Promise<SecretEffect> {
  const { secrets } = deps;
  const { base } = input;
  const place = input.step.config.awsSecretsManager;
  const names = namesOf(input);
  const state = await secrets.describe(place);
  if (state.currentVersionId === names.version) {
    return {
      versionId: names.version,
      changedKeys: await compareVersions(deps, place, base.versionId, names.version),
    };
  }
  if (state.currentVersionId !== base.versionId) throw movedOn(place, base, state.currentVersionId);
  const { versionId, text } = await secrets.readCurrent(place);
  if (versionId !== base.versionId) throw movedOn(place, base, versionId);
  const merged = await mergeWanted(deps, input, text);
  if (merged.changedKeys.length === 0) return { versionId: base.versionId, changedKeys: [] };
  await ensureLabel(secrets, place, state, base.versionId, names.baseLabel);
  await secrets.putPending(place, { token: names.version, text: merged.text, label: names.newLabel });
  if (state.labels[names.version]?.includes(names.voidLabel)) {
    await secrets.dropLabel(place, names.version, names.voidLabel);
  }
  await moveFromBase(secrets, place, base, names);
  return { versionId: names.version, changedKeys: merged.changedKeys };
}

async function moveFromBase(
  secrets: SecretStore,
  place: SecretPlace,
  base: SecretFound,
  { version, voidLabel }: SecretNames,
): Promise<void> {
  if (await secrets.moveCurrent(place, { from: base.versionId, to: version })) return;
  const { currentVersionId } = await secrets.describe(place);
  // An answer that was lost on the way makes the repeated move fail although the first one was carried out.
  if (currentVersionId === version) return;
  // It was never live, and the way back has to know: there is nothing of ours to take out of theirs.
  await secrets.addLabel(place, version, voidLabel);
  throw movedOn(place, base, currentVersionId);
}

async function verifySecret(deps: SecretDeps, input: SecretCall): Promise<Measurement> {
  const startedAt = performance.now();
  const place = input.step.config.awsSecretsManager;
  const current = await deps.secrets.readCurrent(place);
  const base = await deps.secrets.readVersion(place, input.base.versionId);
  const now = deps.texts.members(place.id, current.text);
  const before = deps.texts.members(place.id, base.text);
  const wrong: string[] = [];
  for (const [key, written] of Object.entries(input.step.config.set)) {
    const wanted = await deps.references.resolveText(written, subjectOf(input));
    if (!deps.texts.holds(now.get(key), wanted)) wrong.push(key);
  }
  const own = new Set(Object.keys(input.step.config.set));
  const others = [...new Set([...before.keys(), ...now.keys()])].filter((key) => !own.has(key));
  const touched = others.filter((key) => before.get(key) !== now.get(key));
  const values = {
    versionId: current.versionId,
    keysSet: own.size - wrong.length,
    otherKeysChanged: touched.length,
  };
  return {
    probe: 'secret',
    outcome: wrong.length === 0 && touched.length === 0 ? 'pass' : 'fail',
    at: new Date().toISOString(),
    message: describeReading(place.id, { wrong, touched, own: own.size, others: others.length }),
    values,
    durationMs: Math.round(performance.now() - startedAt),
  };
}

function describeReading(
  id: string,
  found: { wrong: string[]; touched: string[]; own: number; others: number },
): string {
  const { wrong, touched, own, others } = found;
  const faults = [
    ...(wrong.length > 0 ? [`not as set: ${wrong.join(', ')}`] : []),
    ...(touched.length > 0 ? [`changed by someone else: ${touched.join(', ')}`] : []),
  ];
  if (faults.length > 0) return `${id}: ${faults.join('; ')}`;
  return `${id}: ${own} keys as set, ${others} other keys unchanged`;
}

async function settleSecret(deps: SecretDeps, input: SecretCall): Promise<UndoResult> {
  const place = input.step.config.awsSecretsManager;
  const { baseLabel, newLabel, undoLabel, voidLabel } = namesOf(input);
  const own = [baseLabel, newLabel, undoLabel, voidLabel];
  const { labels } = await deps.secrets.describe(place);
  const ours = Object.entries(labels).flatMap(([versionId, all]) =>
    all.filter((label) => own.includes(label)).map((label) => ({ versionId, label })),
  );
  for (const { versionId, label } of ours) await deps.secrets.dropLabel(place, versionId, label);
  if (ours.length === 0) return { summary: `${place.id} bears no label of this rollout`, changed: false };
  return { summary: `${place.id}: ${ours.length} private labels dropped`, changed: true };
}

async function mergeWanted(
  deps: SecretDeps,
  input: SecretInput,
  text: string,
): Promise<{ text: string; changedKeys: string[] }> {
  const members = deps.texts.members(input.step.config.awsSecretsManager.id, text);
  const changedKeys: string[] = [];
  let merged = text;
  for (const [key, written] of Object.entries(input.step.config.set)) {
    const wanted = await deps.references.resolveText(written, subjectOf(input));
    if (deps.texts.holds(members.get(key), wanted)) continue;
    merged = deps.texts.set(merged, key, JSON.stringify(wanted));
    changedKeys.push(key);
  }
  return { text: merged, changedKeys };
}

/** Keys whose raw values differ between two versions. */
async function compareVersions(
  deps: SecretDeps,
  place: SecretPlace,
  from: string,
  to: string,
): Promise<string[]> {
  const [before, after] = await Promise.all(
    [from, to].map(async (versionId) =>
      deps.texts.members(place.id, (await deps.secrets.readVersion(place, versionId)).text),
    ),
  );
  return [...(after ?? [])].filter(([key, raw]) => before?.get(key) !== raw).map(([key]) => key);
}

function movedOn(place: SecretPlace, base: SecretFound, found: string) {
  return drift(
    `Secret ${place.id} was changed by someone else: AWSCURRENT is version ${shortId(found)}, expected ${shortId(base.versionId)}, which was looked at. Nothing was changed. Look at what was put, then start again.`,
    { item: `secret ${place.id}`, found, expected: base.versionId },
  );
}

function subjectOf({ context, step }: SecretInput) {
  return { context, stage: step.stage, step: step.name };
}

function shortened(written: string): string {
  return JSON.stringify(written.length > LONGEST_SHOWN ? `${written.slice(0, LONGEST_SHOWN)}…` : written);
}

function byKey([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
