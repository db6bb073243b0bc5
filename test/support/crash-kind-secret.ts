/** `secret`, killed around every call that changes something; the store itself is read, not through the proxy. */
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect } from 'vitest';
import type { Fact, Subject, World } from './crash-kind.js';
import { type FaultProxy, type HttpFault, type ProxiedRequest, startFaultProxy } from './fault-proxy.js';

const OTHERS = '"FLOAT": 1.0, "UNICODE": "caf\\u00e9", "TOKEN": "stored"';
const BEFORE = `{"DB_CONNECTION_LIMIT": "20", ${OTHERS}}\n`;
const AFTER = `{"DB_CONNECTION_LIMIT": "50", ${OTHERS}}\n`;

interface SecretSeen {
  text?: string;
  current: string[];
  versions: number;
  privateLabels: number;
}

interface SecretWorld extends World<{ config: SecretSeen; other: SecretSeen }> {
  proxy: FaultProxy;
  /** Version that AWSCURRENT points at before. */
  base: string;
}

export const secret: Subject<SecretWorld> = {
  name: 'secret',
  acts: ['putSecret'],

  async open({ name }, { aws }) {
    const proxy = await startFaultProxy(aws);
    const client = new SecretsManagerClient({
      endpoint: aws,
      region: 'us-east-1',
      credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
    });
    for (const id of ['config', 'other']) {
      await client.send(new CreateSecretCommand({ Name: `${name}/${id}`, SecretString: BEFORE }));
    }
    const { current } = await readSecret(client, `${name}/config`);
    const set = { DB_CONNECTION_LIMIT: '50' };
    return {
      proxy,
      base: current[0] ?? '',
      env: { AWS_ENDPOINT_URL: proxy.url },
      steps: [{ secret: { awsSecretsManager: { id: `${name}/config`, region: 'us-east-1' }, set } }],
      read: async () => ({
        config: await readSecret(client, `${name}/config`),
        other: await readSecret(client, `${name}/other`),
      }),
      expectPromoted(before, after) {
        expect(after.other).toEqual(before.other);
        expect(after.config.current).toHaveLength(1);
        expect(after.config.current).not.toEqual(before.config.current);
        expect(after.config).toMatchObject({ text: AFTER, versions: 2, privateLabels: 0 });
      },
      expectRestored(before, after) {
        expect(after.other).toEqual(before.other);
        const { text, current } = before.config;
        expect(after.config).toMatchObject({ text, current, versions: 2 });
      },
      async close() {
        client.destroy();
        await proxy.close();
      },
    };
  },

  during: [
    diesAt('the new version has been put', 'cut after forwarding', isPut),
    diesAt('AWSCURRENT is about to move', 'cut before forwarding', isMoveFrom),
    diesAt('AWSCURRENT has moved', 'cut after forwarding', isMoveFrom),
  ],
  undo: [
    diesAt('AWSCURRENT is about to move back', 'cut before forwarding', isMoveTo),
    diesAt('AWSCURRENT has moved back', 'cut after forwarding', isMoveTo),
  ],
};

function diesAt(
  name: string,
  fault: HttpFault,
  is: (call: ProxiedRequest, base: string) => boolean,
): Fact<SecretWorld> {
  return {
    name,
    arm({ world: { proxy, base }, kill }) {
      proxy.rules.push({ match: (call) => is(call, base), times: 1, fault, onMatch: kill });
    },
  };
}

function isPut({ target }: ProxiedRequest): boolean {
  return target === 'PutSecretValue';
}

function isMoveFrom(call: ProxiedRequest, base: string): boolean {
  return moveOf(call)?.RemoveFromVersionId === base;
}

function isMoveTo(call: ProxiedRequest, base: string): boolean {
  return moveOf(call)?.MoveToVersionId === base;
}

function moveOf({ target, body }: ProxiedRequest): Record<string, unknown> | undefined {
  if (target !== 'UpdateSecretVersionStage') return undefined;
  const move: Record<string, unknown> = JSON.parse(body);
  return move.VersionStage === 'AWSCURRENT' ? move : undefined;
}

async function readSecret(client: SecretsManagerClient, id: string): Promise<SecretSeen> {
  const { VersionIdsToStages: labels = {} } = await client.send(new DescribeSecretCommand({ SecretId: id }));
  // Without the label this API may tell the version before.
  const value = await client.send(new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' }));
  return {
    text: value.SecretString,
    current: Object.keys(labels).filter((version) => labels[version]?.includes('AWSCURRENT')),
    versions: Object.keys(labels).length,
    privateLabels: Object.values(labels)
      .flat()
      .filter((label) => label.startsWith('headgate')).length,
  };
}
