/** What is measured fails in the middle: a probe then says that it could not measure, and never passes. */
import { CloudWatchClient, PutMetricAlarmCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSampler, type Sampler } from '../../src/activities/sampler.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { Expectation, ProbeSpec } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { type FaultProxy, type HttpFault, startFaultProxy } from '../support/fault-proxy.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { noHosts } from '../support/no-hosts.js';
import { INSTANCE, type LocalRds, startLocalRds } from '../support/sandbox-rds.js';
import { subjectOf } from '../support/subject.js';
import { startTcpProxy, type TcpFault, type TcpProxy } from '../support/tcp-proxy.js';

const TIMEOUT_MS = 1_500;
/** On a busy machine too; what was waited for without end would take a minute. */
const MOST_MS = 10_000;
const region = 'us-east-1';

let rds: LocalRds;
let database: TcpProxy;
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  rds = await startLocalRds({ max_connections: '30' });
  database = await startTcpProxy(rds.port);
});
afterAll(async () => {
  await database?.close();
  await rds?.stop();
});

function samplerOf(endpoints: { rds?: string; aws?: string }): Sampler {
  const redactor = new Redactor();
  const aws = { endpoint: endpoints.aws };
  const secrets = createSecretStore(aws);
  const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
  const probes = createProbes({
    ...noHosts,
    references,
    artifacts: new ArtifactStore('/nowhere', redactor),
    runChild,
    commandsEnabled: false,
    now: Date.now,
    secrets,
    rds: createRds({ endpoint: endpoints.rds }),
    cloudwatch: createCloudWatch(aws),
  });
  return createSampler({ probes, references, redactor, now: Date.now });
}

async function measure(sampler: Sampler, kind: string, config: ProbeSpec['config'], expected: Expectation) {
  const spec = { name: kind, kind, config, expect: [expected], timeoutMs: TIMEOUT_MS };
  const { measurement } = await sampler.sampleOnce(subjectOf('/'), spec, new AbortController().signal);
  return measurement;
}

const FAULTS: HttpFault[] = [
  'status 500',
  'throttle',
  'cut before forwarding',
  'cut after forwarding',
  { slowMs: 60_000 },
];

/** @param measured of a probe that would pass */
async function expectNoEvidence(
  proxy: FaultProxy,
  fault: HttpFault,
  measured: () => ReturnType<typeof measure>,
) {
  expect(await measured()).toMatchObject({ outcome: 'pass' });
  proxy.rules.push({ match: () => true, fault });
  const asked = proxy.calls.length;
  const startedAt = performance.now();
  const { outcome, message } = await measured();
  expect(['error', 'inconclusive'], message).toContain(outcome);
  expect(message).toMatch(/AWS|answer|reach/i);
  expect(performance.now() - startedAt).toBeLessThan(MOST_MS);
  expect(proxy.calls.length).toBeGreaterThan(asked);
  proxy.rules.length = 0;
  expect(await measured()).toMatchObject({ outcome: 'pass' });
}

describe('rdsParameter', () => {
  let proxy: FaultProxy;
  beforeEach(async () => {
    proxy = await startFaultProxy(rds.endpoint);
    return () => proxy.close();
  });

  it.each(FAULTS)('is no evidence when RDS fails: %j', async (fault) => {
    const sampler = samplerOf({ rds: proxy.url });
    const config = { instance: INSTANCE, name: 'max_connections', region };
    await expectNoEvidence(proxy, fault, () =>
      measure(sampler, 'rdsParameter', config, { path: 'effective', equals: 30 }),
    );
  });
});

describe.skipIf(motoIsMissing())('at AWS', () => {
  let moto: Moto;
  let proxy: FaultProxy;
  beforeAll(async () => {
    moto = await startMoto();
    await fillAws(moto.url);
  });
  afterAll(() => moto?.stop());
  beforeEach(async () => {
    proxy = await startFaultProxy(moto.url);
    return () => proxy.close();
  });

  const dimensions = { DBInstanceIdentifier: INSTANCE };
  const metric = {
    metric: 'AWS/RDS/DatabaseConnections',
    dimensions,
    statistic: 'Maximum',
    period: '1m',
    region,
  };
  const probes: [string, ProbeSpec['config'], Expectation][] = [
    ['cloudwatch', metric, { path: 'value', lt: 50 }],
    ['cloudwatchAlarms', { prefix: 'faults-', region }, { path: 'alarming', equals: 0 }],
    ['secretVersion', { id: 'faults/config', region }, { path: 'versionId', matches: '.+' }],
  ];

  it.each(
    probes.flatMap(([kind, config, expected]) => FAULTS.map((fault) => ({ kind, config, expected, fault }))),
  )('$kind is no evidence when AWS fails: $fault', async ({ kind, config, expected, fault }) => {
    const sampler = samplerOf({ aws: proxy.url });
    await expectNoEvidence(proxy, fault, () => measure(sampler, kind, config, expected));
  });
});

describe('postgres', () => {
  const query = 'select 20 as limit_in_force';
  const sampleOnce = () => {
    const url = rds.databaseUrl.replace(`:${rds.port}/`, `:${database.port}/`);
    return measure(samplerOf({}), 'postgres', { url, query }, { path: 'rows.0.limit_in_force', equals: 20 });
  };

  const faults: [string, TcpFault, RegExp][] = [
    ['refused', 'refuse', /connection refused/],
    ['cut as soon as it is open', 'cut', /ECONNRESET|terminated/],
    ['cut when it has heard the query', { cutAnswerTo: query }, /ECONNRESET|terminated/],
    ['slower than the probe may take', { slowMs: 2 * TIMEOUT_MS }, /no complete answer within/],
  ];

  it.each(faults)('is no evidence when the connection is %s', async (_how, fault, message) => {
    expect(await sampleOnce()).toMatchObject({ outcome: 'pass' });
    await database.setFault(fault);
    const opened = database.opened();
    const startedAt = performance.now();
    const found = await sampleOnce();
    await database.setFault(undefined);
    expect(found).toMatchObject({ outcome: 'error', message: expect.stringMatching(message) });
    expect(performance.now() - startedAt).toBeLessThan(MOST_MS);
    expect(database.opened() - opened).toBe(fault === 'refuse' ? 0 : 1);
    expect(await sampleOnce()).toMatchObject({ outcome: 'pass' });
  });

  it('waits for an answer that is slow and in time', async () => {
    await database.setFault({ slowMs: 100 });
    const { outcome, durationMs } = await sampleOnce();
    await database.setFault(undefined);
    expect([outcome, durationMs >= 100]).toEqual(['pass', true]);
  });
});

/** A figure for every minute of now, an alarm that is off, a secret. */
async function fillAws(endpoint: string): Promise<void> {
  const cloudwatch = new CloudWatchClient({ endpoint, region });
  const minutes = Array.from({ length: 8 }, (_unused, ago) => new Date(Date.now() - ago * 60_000));
  const MetricData = minutes.map((Timestamp) => ({
    MetricName: 'DatabaseConnections',
    Dimensions: [{ Name: 'DBInstanceIdentifier', Value: INSTANCE }],
    Timestamp,
    Value: 30,
    Unit: 'Count' as const,
  }));
  await cloudwatch.send(new PutMetricDataCommand({ Namespace: 'AWS/RDS', MetricData }));
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'faults-connections',
      ComparisonOperator: 'GreaterThanThreshold',
      EvaluationPeriods: 1,
      MetricName: 'DatabaseConnections',
      Namespace: 'AWS/RDS',
      Period: 60,
      Statistic: 'Maximum',
      Threshold: 50,
    }),
  );
  cloudwatch.destroy();
  const secrets = new SecretsManagerClient({ endpoint, region });
  await secrets.send(new CreateSecretCommand({ Name: 'faults/config', SecretString: '{}' }));
  secrets.destroy();
}
