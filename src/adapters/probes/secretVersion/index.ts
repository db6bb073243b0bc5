/** Which version of a secret is current. The value is never read. */
import type { Probe } from '../probe.js';
import { readInTime } from '../reading.js';
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
    async sample({ config, ...limits }) {
      const read = await readInTime(limits, () => secrets.describe(config));
      if (read.kind !== 'read') return read;
      const { currentVersionId: versionId, labels } = read.value;
      if (typeof versionId === 'string' && versionId !== '') {
        return { kind: 'sample', value: { versionId, stages: labels[versionId] ?? [] } };
      }
      return { kind: 'inconclusive', message: `${config.id}: no version is marked AWSCURRENT` };
    },
  };
}
