/**
 * AWS that fails in the middle: the real activities of `secret` behind a proxy that answers 500, throttles, cuts and is
 * slow. An effect happens once, an error that may pass is repeated, and a probe never passes without evidence.
 */
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSecretActivities } from '../../src/activities/secret/index.js';
import type { SecretStep } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { secretTexts } from '../../src/tools/aws/secret-texts.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { attempt } from '../support/attempt.js';
import {
  type FaultProxy,
  type HttpFault,
  type ProxiedRequest,
  startFaultProxy,
} from '../support/fault-proxy.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { subjectOf } from '../support/subject.js';

/** As often as the SDK sends a request: so many faults of a kind end one attempt of the activity. */
const SENDINGS = 3;

const ORIGINAL = '{"DB_CONNECTION_LIMIT": "20", "FLOAT": 1.0, "TOKEN": "canary-stored"}';
const WANTED = '{"DB_CONNECTION_LIMIT": "50", "FLOAT": 1.0, "TOKEN": "canary-stored"}';

const FAULTS = [
  'status 500',
  'throttle',
  'cut before forwarding',
  'cut after forwarding',
  'truncated',
] as const satisfies HttpFault[];
const EXPLAINED: Record<(typeof FAULTS)[number], RegExp> = {
  'status 500': /AWS failed with 500/,
  throttle: /AWS throttles the worker/,
  'cut before forwarding': /AWS cannot be reached/,
  'cut after forwarding': /AWS cannot be reached/,
  truncated: /AWS cannot be reached/,
};

describe.skipIf(motoIsMissing())('secret, behind an AWS that fails', () => {
  let moto: Moto;
  let client: SecretsManagerClient;
  let proxy: FaultProxy;
  let id: string;
  let baseId: string;
  let count = 0;
  beforeAll(async () => {
    moto = await startMoto();
    client = new SecretsManagerClient({});
  });
  afterAll(async () => {
    client.destroy();
    await moto.stop();
  });
  beforeEach(async () => {
    proxy = await startFaultProxy(moto.url);
    id = `faults/config-${count++}`;
    const made = await client.send(new CreateSecretCommand({ Name: id, SecretString: ORIGINAL }));
    baseId = made.VersionId ?? '';
  });
  afterEach(() => proxy.close());

  function activities() {
    const secrets = createSecretStore({ endpoint: proxy.url });
    const references = new References({
      allowed: [],
      env: {},
      readSecret: (name, key, region) => secrets.readKey(name, key, region),
      redactor: new Redactor(),
    });
    return createSecretActivities({ secrets, texts: secretTexts, references });
  }

  function call() {
    const step: SecretStep = {
      kind: 'secret',
      id: 'secret',
      stage: 'production',
      name: 'production/secret',
      onRollback: 'revert',
      config: { awsSecretsManager: { id, region: 'us-east-1' }, set: { DB_CONNECTION_LIMIT: '50' } },
    };
    return { context: subjectOf('/').context, step, base: { arn: id, versionId: baseId } };
  }

  /** What the store itself says, not through the proxy. */
  async function readStore() {
    const { VersionIdsToStages = {} } = await client.send(new DescribeSecretCommand({ SecretId: id }));
    const current = await client.send(
      new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' }),
    );
    const bearing = Object.keys(VersionIdsToStages).filter((version) =>
      VersionIdsToStages[version]?.includes('AWSCURRENT'),
    );
    return { versions: Object.keys(VersionIdsToStages).length, bearing, text: current.SecretString };
  }

  const isOf =
    (operation: string, text = '') =>
    ({ target, body }: ProxiedRequest) =>
      target === operation && body.includes(text);

  const READS: [string, (request: ProxiedRequest) => boolean][] = [
    ['describing', isOf('DescribeSecret')],
    ['reading', isOf('GetSecretValue')],
  ];
  const MOVE: [string, (request: ProxiedRequest) => boolean] = [
    'moving AWSCURRENT',
    isOf('UpdateSecretVersionStage', '"AWSCURRENT"'),
  ];
  const WRITES: [string, (request: ProxiedRequest) => boolean][] = [
    ['labelling the base', isOf('UpdateSecretVersionStage', '-base"')],
    ['putting the version', isOf('PutSecretValue')],
    MOVE,
  ];
  const cross = (places: typeof WRITES) =>
    FAULTS.flatMap((fault) => places.map(([place, match]) => ({ fault, place, match })));

  it.each(cross([...READS, ...WRITES]))(
    '$fault at $place: the effect once, at the second attempt',
    async ({ fault, match }) => {
      proxy.rules.push({ match, times: SENDINGS, fault });
      const { result, failures } = await attempt(() => activities().putSecret(call()));
      expect(failures).toHaveLength(1);
      expect(failures[0]).toMatch(EXPLAINED[fault]);
      expect(proxy.calls.filter((each) => each.fault)).toHaveLength(SENDINGS);
      const { versions, bearing, text } = await readStore();
      expect({ versions, bearing, text }).toEqual({ versions: 2, bearing: [result.versionId], text: WANTED });
      expect(result.changedKeys).toEqual(['DB_CONNECTION_LIMIT']);
    },
  );

  it.each(cross([...READS.slice(0, 1), MOVE]))(
    '$fault at $place on the way back: back once',
    async ({ fault, match }) => {
      await activities().putSecret(call());
      proxy.rules.push({ match, times: SENDINGS, fault });
      const { failures } = await attempt(() => activities().undoSecret(call()));
      expect(failures).toHaveLength(1);
      expect(proxy.calls.filter((each) => each.fault)).toHaveLength(SENDINGS);
      expect(await readStore()).toEqual({ versions: 2, bearing: [baseId], text: ORIGINAL });
    },
  );

  it.each(FAULTS)('%s once at every call: nobody notices', async (fault) => {
    for (const [, match] of [...READS, ...WRITES]) proxy.rules.push({ match, times: 1, fault });
    const { failures } = await attempt(() => activities().putSecret(call()));
    expect(failures).toEqual([]);
    expect(proxy.calls.filter((each) => each.fault)).toHaveLength(READS.length + WRITES.length);
    expect(await readStore()).toMatchObject({ versions: 2, text: WANTED });
  });

  it.each([...READS, ...WRITES])(
    'the page of a proxy instead of an answer at %s: the effect once, at the second attempt',
    async (_place, match) => {
      proxy.rules.push({ match, times: 1, fault: 'nonsense' });
      const { failures } = await attempt(() => activities().putSecret(call()));
      expect(failures).toEqual([expect.stringMatching(/what answered is not AWS/)]);
      expect(await readStore()).toMatchObject({ versions: 2, text: WANTED });
    },
  );

  it('an answer that does not come is given up after six seconds, and asked for again', async () => {
    proxy.rules.push({ match: isOf('DescribeSecret'), times: 1, fault: { slowMs: 60_000 } });
    const startedAt = performance.now();
    const { failures } = await attempt(() => activities().putSecret(call()));
    const tookMs = performance.now() - startedAt;
    expect([failures, tookMs >= 6_000, tookMs < 30_000]).toEqual([[], true, true]);
    expect(await readStore()).toMatchObject({ versions: 2, text: WANTED });
  });

  it('somebody who moves AWSCURRENT while answers are lost is drift, which is final', async () => {
    await activities().putSecret({ ...call(), context: { ...call().context, runId: 'another run' } });
    proxy.rules.push({ match: isOf('DescribeSecret'), times: SENDINGS, fault: 'cut after forwarding' });
    const failing = attempt(() => activities().putSecret(call()));
    await expect(failing).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
    expect((await readStore()).versions).toBe(2);
  });
});
