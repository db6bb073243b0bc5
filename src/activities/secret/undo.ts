/** The way back of a `secret` step, also when somebody else has changed the secret since. */
import { ApplicationFailure } from '@temporalio/common';
import type { UndoResult } from '../../contract/activities.js';
import { moveSecretLine } from '../../contract/mend.js';
import { conflict } from '../../platform/failures.js';
import type { SecretPlace, SecretState } from '../../tools/aws/secrets-manager.js';
import { namesOf, type SecretCall, type SecretDeps, shortId } from './versions.js';

/** How often somebody else may get in between before we leave it to the next attempt. */
const MOST_ROUNDS = 5;

/** @throws ApplicationFailure `Conflict` when our keys could not all be put back; `details` say what is left */
export async function undoSecretChange(deps: SecretDeps, input: SecretCall): Promise<UndoResult> {
  const { secrets } = deps;
  const place = input.step.config.awsSecretsManager;
  const { version } = namesOf(input);
  const base = input.base.versionId;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const state = await describeOrConflict(deps, input);
    const current = state.currentVersionId;
    if (current === base) return { summary: `${place.id} is at version ${shortId(base)}`, changed: false };
    if (!(await wasLive(deps, input, state))) {
      return { summary: `${place.id} was never changed by this step`, changed: false, untouched: true };
    }
    if (current === version) {
      if (await secrets.moveCurrent(place, { from: version, to: base })) {
        return { summary: `AWSCURRENT of ${place.id} is back at version ${shortId(base)}`, changed: true };
      }
    } else if (await putOwnKeysBack(deps, input, state)) {
      return {
        summary: `${place.id}: our keys put back into version ${shortId(current)} of somebody else`,
        changed: true,
      };
    }
  }
  throw new Error(`Secret ${place.id}: AWSCURRENT was moved by someone else ${MOST_ROUNDS} times meanwhile.`);
}

/** In doubt it was: then only what still holds our values is put back. */
async function wasLive(deps: SecretDeps, input: SecretCall, state: SecretState): Promise<boolean> {
  const { version, voidLabel } = namesOf(input);
  const labels = state.labels[version] ?? [];
  if (labels.length > 0) return !labels.includes(voidLabel);
  try {
    await deps.secrets.readVersion(input.step.config.awsSecretsManager, version);
    return true;
  } catch (error) {
    if (isReason(error, ['notFound'])) return false;
    throw error;
  }
}

/** @returns false when AWSCURRENT moved on meanwhile @throws `Conflict` when a key of ours now has a third value */
async function putOwnKeysBack(deps: SecretDeps, input: SecretCall, state: SecretState): Promise<boolean> {
  const { secrets, texts } = deps;
  const place = input.step.config.awsSecretsManager;
  const names = namesOf(input);
  const foreign = state.currentVersionId;
  const text = await readForeign(deps, input, foreign);
  const [before, ours] = await Promise.all([
    membersAt(deps, place, input.base.versionId),
    membersAt(deps, place, names.version),
  ]);
  const now = texts.members(place.id, text);
  let restored = text;
  const left: string[] = [];
  for (const key of Object.keys(input.step.config.set)) {
    const raw = before.get(key);
    if (ours.get(key) === raw || now.get(key) === raw) continue;
    if (now.get(key) !== ours.get(key)) left.push(key);
    else restored = raw === undefined ? texts.remove(restored, key) : texts.set(restored, key, raw);
  }
  const token = names.undoVersion(foreign);
  if (restored !== text) {
    await secrets.putPending(place, { token, text: restored, label: names.undoLabel });
    if (!(await secrets.moveCurrent(place, { from: foreign, to: token }))) return false;
  }
  if (left.length > 0) {
    const found = `other values in ${left.join(', ')}, set by someone else`;
    throw leftBehind(input, restored === text ? foreign : token, found);
  }
  return true;
}

async function membersAt(deps: SecretDeps, place: SecretPlace, versionId: string) {
  const { text } = await deps.secrets.readVersion(place, versionId);
  return deps.texts.members(place.id, text);
}

/** Somebody may have put what cannot be merged into. */
async function readForeign(deps: SecretDeps, input: SecretCall, foreign: string): Promise<string> {
  const place = input.step.config.awsSecretsManager;
  try {
    const { text } = await deps.secrets.readVersion(place, foreign);
    deps.texts.members(place.id, text);
    return text;
  } catch (error) {
    if (!isReason(error, ['binary', 'notAnObject'])) throw error;
    throw leftBehind(input, foreign, `version ${shortId(foreign)} of someone else, which is no JSON object`);
  }
}

async function describeOrConflict(deps: SecretDeps, input: SecretCall): Promise<SecretState> {
  const place = input.step.config.awsSecretsManager;
  try {
    return await deps.secrets.describe(place);
  } catch (error) {
    if (!isReason(error, ['deleted', 'notFound'])) throw error;
    throw conflict({
      item: `secret ${place.id}`,
      found: 'deleted by someone else',
      expected: `version ${input.base.versionId}`,
      command: `aws secretsmanager restore-secret --secret-id ${place.id}${regionFlag(place)}`,
    });
  }
}

function leftBehind(input: SecretCall, current: string, found: string) {
  const place = input.step.config.awsSecretsManager;
  return conflict({
    item: `secret ${place.id}`,
    found,
    expected: `version ${input.base.versionId}`,
    command: moveSecretLine(place, input.base.versionId, current),
  });
}

function regionFlag({ region }: SecretPlace): string {
  return region ? ` --region ${region}` : '';
}

export function isReason(error: unknown, reasons: string[]): boolean {
  if (!(error instanceof ApplicationFailure)) return false;
  const detail: unknown = error.details?.[0];
  if (!(detail instanceof Object) || !('reason' in detail)) return false;
  return reasons.some((reason) => reason === detail.reason);
}
