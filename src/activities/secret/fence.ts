/** Is the version that is current still the one that was put? Versions only: no value is read. */
import type { SecretStep } from '../../plan/resolved.js';
import type { SecretStore } from '../../tools/aws/secrets-manager.js';
import type { Reading } from '../fences.js';
import { isReason } from './undo.js';
import { shortId } from './versions.js';

export async function readSecretVersion(
  secrets: SecretStore,
  { step, made }: { step: SecretStep; made: string },
): Promise<Reading> {
  const place = step.config.awsSecretsManager;
  const what = `secret ${place.id}`;
  const expected = `version ${shortId(made)}`;
  try {
    const { currentVersionId } = await secrets.describe(place);
    if (currentVersionId === made) return undefined;
    const now = { kind: 'secret', versionId: currentVersionId } as const;
    return { what, expected, found: `version ${shortId(currentVersionId)}`, now };
  } catch (error) {
    if (!isReason(error, ['deleted', 'notFound'])) throw error;
    return { what, expected, found: 'deleted', now: null };
  }
}
