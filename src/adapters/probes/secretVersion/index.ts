/** Which version of a secret is current. The value is never read. */
import type { Probe } from '../probe.js';
import type { Config } from './schema.js';

/** The part of a secret store that this probe needs. Rejects when it cannot tell; `message` says why. */
export interface SecretDescriber {
  describe(place: {
    id: string;
    region?: string;
  }): Promise<{ currentVersionId: string; labels: Record<string, string[]> }>;
}

export interface SecretVersionProbeDeps {
  secrets: SecretDescriber;
}

/** Sample: `{ versionId, stages }`: the version that is current, and every label it bears. */
export function createSecretVersionProbe({ secrets }: SecretVersionProbeDeps): Probe<Config> {
  return {
    kind: 'secretVersion',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, signal }) {
      try {
        const { currentVersionId: versionId, labels } = await orAborted(secrets.describe(config), signal);
        if (typeof versionId === 'string' && versionId !== '') {
          return { kind: 'sample', value: { versionId, stages: labels[versionId] ?? [] } };
        }
        return { kind: 'inconclusive', message: `${config.id}: no version is marked AWSCURRENT` };
      } catch (error) {
        signal.throwIfAborted();
        const why = error instanceof Error ? error.message : String(error);
        return { kind: 'error', message: `${config.id}: its version cannot be read: ${why}` };
      }
    },
  };
}

/** A store takes no signal: what it is still doing then is left behind. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
