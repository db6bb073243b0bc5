/** The versions and labels that a `secret` step works with. */
import { createHash } from 'node:crypto';
import type { SecretFound, SecretInput } from '../../contract/activities.js';
import type { References } from '../../platform/references.js';
import type { SecretTexts } from '../../tools/aws/secret-texts.js';
import type { SecretPlace, SecretState, SecretStore } from '../../tools/aws/secrets-manager.js';

export interface SecretDeps {
  secrets: SecretStore;
  texts: SecretTexts;
  references: Pick<References, 'resolveText'>;
}

export type SecretCall = SecretInput & { base: SecretFound };

export async function ensureLabel(
  secrets: SecretStore,
  place: SecretPlace,
  state: SecretState,
  versionId: string,
  label: string,
): Promise<void> {
  const holder = Object.keys(state.labels).find((id) => state.labels[id]?.includes(label));
  if (holder !== versionId) await secrets.addLabel(place, versionId, label, holder);
}

export interface SecretNames {
  /** Id of the version that this step puts: the same whenever it is repeated. */
  version: string;
  newLabel: string;
  baseLabel: string;
  undoLabel: string;
  /** Borne by our version when it was put but somebody else was quicker to become current. */
  voidLabel: string;
  /** Id of the version that puts our keys back into a version of somebody else. */
  undoVersion(foreignVersionId: string): string;
}

export function namesOf({ context, step, base }: SecretCall): SecretNames {
  const own = [context.runId, step.name];
  const label = `headgate-${sha256(own).slice(0, 12)}`;
  return {
    version: sha256([...own, base.versionId, 'forward']),
    newLabel: label,
    baseLabel: `${label}-base`,
    undoLabel: `${label}-undo`,
    voidLabel: `${label}-void`,
    undoVersion: (foreignVersionId) => sha256([...own, foreignVersionId, 'back']),
  };
}

export function shortId(versionId: string): string {
  return versionId.slice(0, 8);
}

export function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
