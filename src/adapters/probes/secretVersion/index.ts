/** Which version of a secret is current. The value is never read. */
import type { Probe } from '../probe.js';
import type { Config } from './schema.js';

/** What `AWSCURRENT` points at. Rejects when it cannot be told; `message` says why. */
export type SecretVersionReader = (
  id: string,
  region: string | undefined,
  signal: AbortSignal,
) => Promise<{ versionId: string }>;

export interface SecretVersionProbeDeps {
  readVersion: SecretVersionReader;
}

/** Sample: `{ versionId }`. */
export function createSecretVersionProbe({ readVersion }: SecretVersionProbeDeps): Probe<Config> {
  return {
    kind: 'secretVersion',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, signal }) {
      try {
        const { versionId } = await readVersion(config.id, config.region, signal);
        if (typeof versionId === 'string' && versionId !== '')
          return { kind: 'sample', value: { versionId } };
        return { kind: 'inconclusive', message: `${config.id}: no version is marked AWSCURRENT` };
      } catch (error) {
        signal.throwIfAborted();
        const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        return { kind: 'error', message: `${config.id}: its version cannot be read: ${why}` };
      }
    },
  };
}
