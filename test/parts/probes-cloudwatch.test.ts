/** Metrics and alarms of CloudWatch: at moto as far as it goes, and at a double for what moto lacks. */
import {
  CloudWatchClient,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createCloudWatchProbe } from '../../src/adapters/probes/cloudwatch/index.js';
import { schema as metricSchema } from '../../src/adapters/probes/cloudwatch/schema.js';
import { createCloudWatchAlarmsProbe } from '../../src/adapters/probes/cloudwatchAlarms/index.js';
import { schema as alarmsSchema } from '../../src/adapters/probes/cloudwatchAlarms/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { type CloudWatch, createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { type CloudWatchApi, startCloudWatchApi } from '../support/cloudwatch-api.js';
import { describeProbe } from '../support/describe-probe.js';
import { closedAddress } from '../support/http-server.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';

/** 12:00–12:05 is the newest complete period of five minutes; it has had its minute to settle. */
const NOW = Date.parse('2026-01-16T12:07:30Z');
const DIMENSIONS = { DBInstanceIdentifier: 'shop-prod' };
const CONNECTIONS = {
  metric: 'AWS/RDS/DatabaseConnections',
  dimensions: DIMENSIONS,
  statistic: 'Maximum',
  period: '5m',
  region: 'us-east-1',
};

const metricProbe = (cloudwatch: CloudWatch, now = NOW) =>
  checked(metricSchema, createCloudWatchProbe({ cloudwatch, now: () => now }));
const alarmsProbe = (cloudwatch: CloudWatch) =>
  checked(alarmsSchema, createCloudWatchAlarmsProbe({ cloudwatch }));

let api: CloudWatchApi;
let silent: CloudWatchApi;
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  [api, silent] = [await startCloudWatchApi(), await startCloudWatchApi()];
  silent.silent = true;
});
afterAll(() => Promise.all([api.close(), silent.close()]));
beforeEach(() => Object.assign(api, { alarms: [], data: [], failures: [], asked: [] }));

const tool = () => createCloudWatch({ endpoint: api.url });
/** One region answers as `answers` does, the other never does. */
const halfSilent = (answers: CloudWatchApi): CloudWatch => {
  const answering = createCloudWatch({ endpoint: answers.url });
  const hanging = createCloudWatch({ endpoint: silent.url });
  const of = ({ region }: { region?: string }) => (region === 'eu-hangs-1' ? hanging : answering);
  return {
    readMetric: (query, signal) => of(query).readMetric(query, signal),
    listAlarms: (query, signal) => of(query).listAlarms(query, signal),
  };
};

describe('cloudwatch', () => {
  const measure = (config: Partial<typeof CONNECTIONS> = {}, now = NOW) =>
    takeSample(metricProbe(tool(), now), { ...CONNECTIONS, ...config });

  it('takes the newest complete period', async () => {
    api.data = [
      { at: '2026-01-16T11:55:00Z', unit: 'Count', value: 20 },
      { at: '2026-01-16T12:00:00Z', unit: 'Count', value: 42 },
      { at: '2026-01-16T12:05:00Z', unit: 'Count', value: 99 },
    ];
    expect(await measure()).toEqual({
      kind: 'sample',
      value: { value: 42, at: '2026-01-16T12:00:00.000Z', unit: 'Count', periodMs: 300_000 },
    });
    expect(api.asked[0]).toMatchObject({
      Namespace: 'AWS/RDS',
      MetricName: 'DatabaseConnections',
      Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'shop-prod' }],
      Statistics: ['Maximum'],
      Period: 300,
    });
  });

  it('a period that has only just ended is not taken yet: its last figures are still on their way', async () => {
    api.data = [
      { at: '2026-01-16T11:55:00Z', unit: 'Count', value: 20 },
      { at: '2026-01-16T12:00:00Z', unit: 'Count', value: 3 },
    ];
    const justEnded = Date.parse('2026-01-16T12:05:20Z');
    expect(await measure({}, justEnded)).toMatchObject({ value: { value: 20 } });
    expect(await measure({}, justEnded + 60_000)).toMatchObject({ value: { value: 3 } });
  });

  it('late data is waited for: an older datum counts while it is fresh, then there is none, and never a zero', async () => {
    api.data = [{ at: '2026-01-16T12:00:00Z', unit: 'Count', value: 42 }];
    const endedAt = Date.parse('2026-01-16T12:05:00Z');
    const limitMs = (2 * 5 + 5) * 60_000;
    expect(await measure({}, endedAt + limitMs)).toMatchObject({ value: { value: 42 } });
    expect(await measure({}, endedAt + limitMs + 1_000)).toEqual({
      kind: 'inconclusive',
      message:
        'AWS/RDS/DatabaseConnections {DBInstanceIdentifier=shop-prod} in us-east-1 has no datum since 2026-01-16T12:05:00.000Z',
    });
  });

  it('a metric without any datum is inconclusive and says what to check', async () => {
    expect(await measure()).toEqual({
      kind: 'inconclusive',
      message:
        'AWS/RDS/DatabaseConnections {DBInstanceIdentifier=shop-prod} in us-east-1 has no datum in the last 24h; check the names, every dimension, and the region',
    });
  });

  it('a real zero is a figure', async () => {
    api.data = [{ at: '2026-01-16T12:00:00Z', unit: 'Count', value: 0 }];
    expect(await measure()).toMatchObject({ kind: 'sample', value: { value: 0 } });
  });

  it('several units of one period are no evidence', async () => {
    api.data = ['Count', 'None'].map((unit) => ({ at: '2026-01-16T12:00:00Z', unit, value: 1 }));
    expect(await measure()).toMatchObject({
      kind: 'inconclusive',
      message: expect.stringContaining('was collected as Count and as None'),
    });
  });

  it.each(['1s', '5s', '10s', '30s', '1m', '6h', '24h', '168h'])(
    'asks for periods of %s as CloudWatch wants it, also when it looks further back',
    async (period) => {
      expect(await measure({ period })).toMatchObject({ kind: 'inconclusive' });
      expect(api.asked).toHaveLength(2);
    },
  );

  it.each(['7s', '90s', '500ms', '61s'])('a period of %s is refused before AWS is asked', async (period) => {
    expect(await measure({ period })).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('1s, 5s, 10s, 30s or whole minutes'),
    });
    expect(api.asked).toEqual([]);
  });

  it('says what AWS refuses', async () => {
    api.failures = [{ status: 400, code: 'AccessDeniedException' }];
    expect(await measure()).toEqual({
      kind: 'error',
      message:
        "Metric AWS/RDS/DatabaseConnections: the worker's AWS identity may not do this (AccessDeniedException). Extend its policy.",
    });
  });

  it('a CloudWatch that is down is an error in time', async () => {
    const down = metricProbe(createCloudWatch({ endpoint: await closedAddress() }));
    expect(await takeSample(down, CONNECTIONS)).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('AWS cannot be reached (ECONNREFUSED)'),
    });
  });
});

describeProbe('cloudwatch', async () => {
  const answers = await startCloudWatchApi();
  answers.data = [{ at: '2026-01-16T12:00:00Z', unit: 'Count', value: 42 }];
  return {
    probe: metricProbe(halfSilent(answers)),
    subject: subjectOf('/'),
    good: { config: CONNECTIONS, expect: [{ path: 'value', lt: 50 }] },
    bad: {
      'no namespace': { ...CONNECTIONS, metric: 'DatabaseConnections' },
      'an odd period': { ...CONNECTIONS, period: '7s' },
      'another statistic': { ...CONNECTIONS, statistic: 'p95' },
    },
    hanging: { ...CONNECTIONS, region: 'eu-hangs-1' },
    close: () => answers.close(),
  };
});

describe('cloudwatchAlarms', () => {
  const count = (prefix = 'shop-prod-') => takeSample(alarmsProbe(tool()), { prefix, region: 'us-east-1' });

  it('counts alarms of every type, over pages', async () => {
    const many = Array.from({ length: 120 }, (_unused, index) => `shop-prod-ok-${index}`);
    api.alarms = [
      ...many.map((name) => ({ name, type: 'MetricAlarm' as const, state: 'OK' as const })),
      { name: 'shop-prod-new', type: 'MetricAlarm', state: 'INSUFFICIENT_DATA' },
      { name: 'shop-prod-errors', type: 'MetricAlarm', state: 'ALARM' },
      { name: 'shop-prod-any', type: 'CompositeAlarm', state: 'ALARM' },
      { name: 'shop-prod-panic', type: 'LogAlarm', state: 'ALARM' },
      { name: 'shop-staging-errors', type: 'MetricAlarm', state: 'ALARM' },
    ];
    expect(await count()).toEqual({
      kind: 'sample',
      value: {
        alarming: 3,
        insufficient: 1,
        total: 124,
        names: ['shop-prod-any', 'shop-prod-errors', 'shop-prod-panic'],
      },
    });
    expect(api.asked).toHaveLength(2);
  });

  it('names ten at most', async () => {
    api.alarms = Array.from({ length: 30 }, (_unused, index) => {
      return { name: `shop-prod-${index}`, type: 'MetricAlarm', state: 'ALARM' };
    });
    const found = await count();
    expect(found).toMatchObject({ value: { alarming: 30 } });
    expect(found).toHaveProperty('value.names.length', 10);
  });

  it('a prefix that no alarm has is no evidence that all is well', async () => {
    expect(await count('shop-prd-')).toEqual({
      kind: 'inconclusive',
      message: 'no alarm\'s name begins with "shop-prd-"; check prefix and region',
    });
  });
});

describeProbe('cloudwatchAlarms', async () => {
  const answers = await startCloudWatchApi();
  answers.alarms = [{ name: 'shop-prod-errors', type: 'MetricAlarm', state: 'OK' }];
  return {
    probe: alarmsProbe(halfSilent(answers)),
    subject: subjectOf('/'),
    good: {
      config: { prefix: 'shop-prod-', region: 'us-east-1' },
      expect: [{ path: 'alarming', equals: 0 }],
    },
    bad: { 'no alarm at all': { prefix: 'nothing-', region: 'us-east-1' } },
    hanging: { prefix: 'shop-prod-', region: 'eu-hangs-1' },
    close: () => answers.close(),
  };
});

describe.skipIf(motoIsMissing())('at moto', () => {
  let moto: Moto;
  let client: CloudWatchClient;
  beforeAll(async () => {
    moto = await startMoto();
    client = new CloudWatchClient({});
  });
  afterAll(async () => {
    client?.destroy();
    await moto?.stop();
  });

  const put = (at: string, value: number, resolution = 60) =>
    client.send(
      new PutMetricDataCommand({
        Namespace: 'AWS/RDS',
        MetricData: [
          {
            MetricName: 'DatabaseConnections',
            Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'shop-prod' }],
            Timestamp: new Date(at),
            Value: value,
            Unit: 'Count',
            StorageResolution: resolution,
          },
        ],
      }),
    );

  it('judges published figures, by the minute and by high resolution', async () => {
    for (const [minute, value] of [30, 44, 38].entries()) {
      await put(`2026-01-16T12:0${minute}:00Z`, value);
    }
    expect(await takeSample(metricProbe(createCloudWatch()), CONNECTIONS)).toEqual({
      kind: 'sample',
      value: { value: 44, at: '2026-01-16T12:00:00.000Z', unit: 'Count', periodMs: 300_000 },
    });
    await put('2026-01-16T12:07:12Z', 47, 1);
    const fine = await takeSample(metricProbe(createCloudWatch()), { ...CONNECTIONS, period: '10s' });
    expect(fine).toMatchObject({ kind: 'sample', value: { value: 47, periodMs: 10_000 } });
  });

  it('counts the alarms that are set', async () => {
    for (const name of ['moto-prod-a', 'moto-prod-b']) {
      await client.send(
        new PutMetricAlarmCommand({
          AlarmName: name,
          ComparisonOperator: 'GreaterThanThreshold',
          EvaluationPeriods: 1,
          MetricName: 'DatabaseConnections',
          Namespace: 'AWS/RDS',
          Period: 60,
          Statistic: 'Maximum',
          Threshold: 50,
        }),
      );
    }
    const counted = () => takeSample(alarmsProbe(createCloudWatch()), { prefix: 'moto-prod-' });
    expect(await counted()).toMatchObject({ value: { alarming: 0, total: 2 } });
    await client.send(
      new SetAlarmStateCommand({ AlarmName: 'moto-prod-b', StateReason: 'the test', StateValue: 'ALARM' }),
    );
    expect(await counted()).toMatchObject({ value: { alarming: 1, total: 2, names: ['moto-prod-b'] } });
  });
});
