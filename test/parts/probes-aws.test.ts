/** The version of a secret, asked at a real AWS API emulator. */
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe } from 'vitest';
import { checked } from '../../src/adapters/probes/registry.js';
import { createSecretVersionProbe } from '../../src/adapters/probes/secretVersion/index.js';
import { schema } from '../../src/adapters/probes/secretVersion/schema.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { describeProbe } from '../support/describe-probe.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { subjectOf } from '../support/subject.js';

describe.skipIf(motoIsMissing())('secretVersion', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    const client = new SecretsManagerClient({});
    await client.send(
      new CreateSecretCommand({ Name: 'probe/config', SecretString: '{"A":"canary-value"}' }),
    );
    client.destroy();
  });
  afterAll(() => moto?.stop());

  const open = async () => ({
    probe: checked(schema, createSecretVersionProbe({ secrets: createSecretStore() })),
    subject: subjectOf('/'),
    good: {
      config: { id: 'probe/config' },
      expect: [
        { path: 'versionId', matches: '^[0-9a-f-]{36}$' },
        { path: 'stages.0', equals: 'AWSCURRENT' },
      ],
    },
    bad: { 'no such secret': { id: 'probe/nothing' } },
  });
  describeProbe('secretVersion', open, { hangs: false });
});
