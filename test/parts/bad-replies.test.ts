/**
 * Whatever an API answers, or something in its place: a measurement is then no evidence, an effect does not happen, and
 * one sentence says what came. Every reader of foreign replies against a server that says anything.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSampler } from '../../src/activities/sampler.js';
import { createSecretActivities } from '../../src/activities/secret/index.js';
import { createNotifiers } from '../../src/adapters/notifiers/registry.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import { WorkflowRuns } from '../../src/adapters/targets/githubActions/runs.js';
import type { Expectation, Json } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { secretTexts } from '../../src/tools/aws/secret-texts.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { createImageResolver } from '../../src/tools/registry/index.js';
import { badReplies, NO_MESSAGE, type Reply, type Speaker, startSpeaker } from '../support/bad-replies.js';
import { FAST } from '../support/github-actions-call.js';
import { noHosts } from '../support/no-hosts.js';
import { noticeOf } from '../support/notice.js';
import { secretStep } from '../support/plans.js';
import { subjectOf } from '../support/subject.js';

const region = 'us-east-1';
const TIMEOUT_MS = 2_000;

let speaker: Speaker;
let folder: string;
beforeAll(() => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_REGION: region,
  });
});
beforeEach(async () => {
  speaker = await startSpeaker();
  folder = await mkdtemp(join(tmpdir(), 'headgate-replies-'));
});
afterEach(async () => {
  await speaker.close();
  await rm(folder, { recursive: true, force: true });
});

const xml = (action: string, result: string) =>
  `<${action}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`;
const INSTANCE = xml(
  'DescribeDBInstances',
  '<DBInstances><DBInstance><DBInstanceIdentifier>db</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus><DBParameterGroups><DBParameterGroup><DBParameterGroupName>pg</DBParameterGroupName><ParameterApplyStatus>in-sync</ParameterApplyStatus></DBParameterGroup></DBParameterGroups></DBInstance></DBInstances>',
);
const parameters = (value: string, marker = '') =>
  xml(
    'DescribeDBParameters',
    `<Parameters><Parameter><ParameterName>max_connections</ParameterName><ParameterValue>${value}</ParameterValue><Source>user</Source><ApplyType>static</ApplyType></Parameter></Parameters>${marker}`,
  );
/** RDS is asked two questions. */
const rds =
  (instance: Reply, parameter: Reply) =>
  ({ body }: { body: string }): Reply =>
    body.includes('DescribeDBInstances') ? instance : parameter;

const DEPLOYMENT = {
  metadata: { name: 'shop', namespace: 'prod', generation: 3 },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'shop' } },
    template: { spec: { containers: [{ name: 'shop', image: 'shop:v1' }] } },
  },
  status: { observedGeneration: 3, replicas: 2, readyReplicas: 2, availableReplicas: 2, updatedReplicas: 2 },
};
const PODS = { metadata: { resourceVersion: '7' }, items: [] };
const cluster =
  (deployment: unknown, pods: unknown) =>
  ({ path }: { path: string }): Reply => ({
    body: JSON.stringify(path.includes('/pods') ? pods : deployment),
  });

interface ProbeCase {
  config: () => { [key: string]: Json };
  expect: Expectation;
  good: string;
  /** Where one body is no whole answer. */
  says?: (reply: Reply) => Parameters<Speaker['says']>[0];
}

const minute = () => Math.floor(Date.now() / 60_000) * 60 - 180;
const PROBES: Record<string, ProbeCase> = {
  http: {
    config: () => ({ url: speaker.url }),
    expect: { path: 'body.healthy', equals: true },
    good: '{"healthy":true}',
  },
  poolMetrics: {
    config: () => ({ url: speaker.url }),
    expect: { path: 'pool.active', lt: 45 },
    good: '{"pool":{"active":3,"limit":50}}',
  },
  version: {
    config: () => ({ url: speaker.url }),
    expect: { path: 'version', equals: 'v1.0.1' },
    good: '{"version":"v1.0.1"}',
  },
  prometheus: {
    config: () => ({ url: speaker.url, query: 'up' }),
    expect: { path: 'value', lt: 0.01 },
    good: '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1768564800,"0.001"]}]}}',
  },
  cloudwatch: {
    config: () => ({ metric: 'AWS/RDS/DatabaseConnections', statistic: 'Maximum', period: '1m', region }),
    expect: { path: 'value', lt: 50 },
    good: `{"Label":"l","Datapoints":[{"Timestamp":${minute()},"Unit":"Count","Maximum":30}]}`,
  },
  cloudwatchAlarms: {
    config: () => ({ prefix: 'prod-', region }),
    expect: { path: 'alarming', equals: 0 },
    good: '{"MetricAlarms":[{"AlarmName":"prod-a","StateValue":"OK"}]}',
  },
  secretVersion: {
    config: () => ({ id: 'app/config', region }),
    expect: { path: 'versionId', matches: '.+' },
    good: '{"ARN":"arn:x","Name":"app/config","VersionIdsToStages":{"v-1":["AWSCURRENT"]}}',
  },
  'rdsParameter, its instance': {
    config: () => ({ instance: 'db', name: 'max_connections', region }),
    expect: { path: 'effective', equals: 100 },
    good: INSTANCE,
    says: (reply) => rds(reply, { body: parameters('100') }),
  },
  'rdsParameter, its parameter': {
    config: () => ({ instance: 'db', name: 'max_connections', region }),
    expect: { path: 'effective', equals: 100 },
    good: parameters('100'),
    says: (reply) => rds({ body: INSTANCE }, reply),
  },
  kubernetes: {
    config: () => ({ namespace: 'prod', deployment: 'shop' }),
    expect: { path: 'available', gte: 2 },
    good: JSON.stringify(DEPLOYMENT),
    says: (reply) => (asked) => (asked.path.includes('/pods') ? { body: JSON.stringify(PODS) } : reply),
  },
  'kubernetes, its pods': {
    config: () => ({ namespace: 'prod', deployment: 'shop' }),
    expect: { path: 'restarts', equals: 0 },
    good: JSON.stringify(PODS),
    says: (reply) => (asked) => (asked.path.includes('/pods') ? reply : { body: JSON.stringify(DEPLOYMENT) }),
  },
};

async function kubeconfig(): Promise<string> {
  const path = join(folder, 'kubeconfig');
  await writeFile(
    path,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: speaker.url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: { token: 'canary' } }],
    }),
  );
  return path;
}

async function measure(name: string, { config, expect: expected }: Pick<ProbeCase, 'config' | 'expect'>) {
  const redactor = new Redactor();
  const aws = { endpoint: speaker.url };
  const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
  const probes = createProbes({
    ...noHosts,
    kubernetes: createKubernetes({ KUBECONFIG: await kubeconfig() }),
    references,
    artifacts: new ArtifactStore(folder, redactor),
    runChild,
    commandsEnabled: false,
    now: Date.now,
    secrets: createSecretStore(aws),
    rds: createRds(aws),
    cloudwatch: createCloudWatch(aws),
  });
  const kind = name.split(',')[0] ?? '';
  const spec = { name: kind, kind, config: config(), expect: [expected], timeoutMs: TIMEOUT_MS };
  const sampler = createSampler({ probes, references, redactor, now: Date.now });
  const { measurement } = await sampler.sampleOnce(subjectOf('/'), spec, new AbortController().signal);
  return measurement;
}

function expectNoEvidence({ outcome, message }: { outcome: string; message: string }) {
  expect(['error', 'inconclusive'], message).toContain(outcome);
  expect(message).not.toMatch(NO_MESSAGE);
  expect(message.length).toBeLessThanOrEqual(600);
}

describe.each(Object.entries(PROBES))('probe %s', (name, given) => {
  const says = given.says ?? ((reply: Reply) => reply);

  it('passes on what is right', async () => {
    speaker.says(says({ body: given.good }));
    const { outcome, message } = await measure(name, given);
    expect(outcome, message).toBe('pass');
  });

  it.each(badReplies(given.good))('has no evidence in %s', async (_what, reply) => {
    speaker.says(says(reply));
    expectNoEvidence(await measure(name, given));
    expect(speaker.asked.length).toBeGreaterThan(0);
    expect(speaker.asked.length, 'it does not ask for ever').toBeLessThan(12);
  });
});

describe('figures that cannot be', () => {
  const point = (seconds: string, value: string) =>
    `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[${seconds},${value}]}]}}`;
  const datum = (more: string) =>
    `{"Label":"l","Datapoints":[{"Timestamp":${minute()},"Unit":"Count",${more}}]}`;
  const pods = (restartCount: unknown) => ({
    ...PODS,
    items: [{ metadata: { name: 'p' }, status: { containerStatuses: [{ name: 'shop', restartCount }] } }],
  });
  const status = (change: object) => ({ ...DEPLOYMENT, status: { ...DEPLOYMENT.status, ...change } });
  const cases: [string, string, Parameters<Speaker['says']>[0]][] = [
    ['poolMetrics', 'a negative count', { body: '{"pool":{"active":-3}}' }],
    ['poolMetrics', 'more than a number holds', { body: '{"pool":{"active":3,"waiting":1e999}}' }],
    ['poolMetrics', 'a figure as a text', { body: '{"pool":{"active":"3"}}' }],
    ['poolMetrics', 'a figure twice', { body: '{"pool":{"active":99,"active":3}}' }],
    ['poolMetrics', 'NaN', { body: '{"pool":{"active":NaN}}' }],
    ['http', 'what is expected twice', { body: '{"healthy":false,"healthy":true}' }],
    ['http', 'true as a text', { body: '{"healthy":"true"}' }],
    ['http', 'it in the prototype', { body: '{"__proto__":{"healthy":true}}' }],
    ['version', 'a version twice', { body: '{"version":"v0","version":"v1.0.1"}' }],
    ['prometheus', 'NaN', { body: point('1768564800', '"NaN"') }],
    ['prometheus', 'infinity', { body: point('1768564800', '"-Inf"') }],
    ['prometheus', 'a value that is no text', { body: point('1768564800', '0.001') }],
    ['prometheus', 'an empty value', { body: point('1768564800', '""') }],
    ['prometheus', 'a time that there is not', { body: point('1e300', '"0.001"') }],
    ['prometheus', 'a time of a text', { body: point('"now"', '"0.001"') }],
    ['prometheus', 'a result twice', { body: point('1', '"9"').replace('"data"', '"data":{},"data"') }],
    ['cloudwatch', 'a value as a text', { body: datum('"Maximum":"many"') }],
    ['cloudwatch', 'NaN', { body: datum('"Maximum":"NaN"') }],
    ['cloudwatch', 'no value', { body: datum('"Average":1') }],
    ['cloudwatch', 'a time that there is not', { body: '{"Datapoints":[{"Timestamp":1e300,"Maximum":1}]}' }],
    [
      'cloudwatchAlarms',
      'a state that nobody knows',
      { body: '{"MetricAlarms":[{"AlarmName":"prod-a","StateValue":"FINE"}]}' },
    ],
    ['cloudwatchAlarms', 'no state', { body: '{"MetricAlarms":[{"AlarmName":"prod-a"}]}' }],
    [
      'cloudwatchAlarms',
      'the same page for ever',
      { body: '{"MetricAlarms":[{"AlarmName":"prod-a","StateValue":"OK"}],"NextToken":"n"}' },
    ],
    [
      'rdsParameter',
      'the same page for ever',
      rds(
        { body: INSTANCE },
        { body: parameters('1', '<Marker>m</Marker>').replace('max_connections', 'other') },
      ),
    ],
    [
      'rdsParameter',
      'a formula',
      rds({ body: INSTANCE }, { body: parameters('{DBInstanceClassMemory/9531392}') }),
    ],
    ['rdsParameter', 'NaN', rds({ body: INSTANCE }, { body: parameters('NaN') })],
    ['secretVersion', 'no current version', { body: '{"VersionIdsToStages":{"v-1":["AWSPREVIOUS"]}}' }],
    ['secretVersion', 'labels of another shape', { body: '{"VersionIdsToStages":"AWSCURRENT"}' }],
    ['kubernetes', 'a negative count', cluster(status({ availableReplicas: -2 }), PODS)],
    ['kubernetes', 'half a pod', cluster(status({ readyReplicas: 1.5 }), PODS)],
    ['kubernetes', 'a count as a text', cluster(status({ availableReplicas: '2' }), PODS)],
    ['kubernetes', 'restarts as a text', cluster(DEPLOYMENT, pods('0'))],
    ['kubernetes', 'negative restarts', cluster(DEPLOYMENT, pods(-1))],
    ['kubernetes', 'pods without a list', cluster(DEPLOYMENT, { metadata: {}, items: {} })],
    ['kubernetes', 'pods that are none', cluster(DEPLOYMENT, { metadata: {}, items: [null] })],
    ['kubernetes', 'the same page for ever', cluster(DEPLOYMENT, { metadata: { continue: 'n' }, items: [] })],
  ];

  it.each(cases)('%s: %s', async (kind, _what, says) => {
    const given = PROBES[kind] ?? PROBES[`${kind}, its parameter`];
    if (!given) throw new Error(`no probe ${kind}`);
    speaker.says(says);
    expectNoEvidence(await measure(kind, given));
    expect(speaker.asked.length, 'it does not ask for ever').toBeLessThan(12);
  });
});

/** What changes something, and has to ask before. */
const EFFECTS: Record<string, { good: string; act: () => Promise<unknown>; harmless: RegExp }> = {
  'a secret': {
    good: PROBES.secretVersion?.good ?? '',
    harmless: /DescribeSecret|GetSecretValue/,
    act() {
      const secrets = createSecretStore({ endpoint: speaker.url });
      const redactor = new Redactor();
      const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
      const step = secretStep('staging');
      const base = { arn: 'app/staging', versionId: 'v-1' };
      const { context } = subjectOf('/');
      return createSecretActivities({ secrets, texts: secretTexts, references }).putSecret({
        context,
        step,
        base,
      });
    },
  },
  'a reboot': {
    good: INSTANCE,
    harmless: /DescribeDBInstances/,
    act: () => createRds({ endpoint: speaker.url }).describeInstance({ instance: 'db', region }),
  },
  'a tag of a registry': {
    good: '{"schemaVersion":2}',
    harmless: /^(HEAD|GET) /,
    async act() {
      const resolver = createImageResolver({ runChild, env: { DOCKER_CONFIG: folder } });
      const host = new URL(speaker.url).host;
      const found = await resolver.resolve(`${host}/team/shop:v1`, new AbortController().signal);
      if ('why' in found) throw new Error(found.why);
    },
  },
  'a deploy by GitHub Actions': {
    good: '{"id":12,"status":"completed","conclusion":"success"}',
    harmless: /^GET /,
    async act() {
      const config = {
        repository: 'acme/shop',
        workflow: 'deploy.yml',
        token: 'canary',
        url: 'http://127.0.0.1:1',
        baseUrl: speaker.url,
      };
      const pace = { ...FAST, patienceMs: 300, pollMs: 100 };
      await new WorkflowRuns({ config, tell: () => {} }, pace, new AbortController().signal).get(12);
    },
  },
};

describe.each(Object.entries(EFFECTS))('%s', (_name, { good, act, harmless }) => {
  it.each(badReplies(good))(
    'is not touched after %s',
    async (_what, reply) => {
      speaker.says(reply);
      const failure: unknown = await act().then(
        () => expect.fail('it went on'),
        (error: unknown) => error,
      );
      const message = failure instanceof Error ? failure.message : '';
      expect(message).not.toMatch(NO_MESSAGE);
      expect(message).not.toContain('canary');
      const targets = speaker.asked.map(({ method, path, headers, body }) =>
        [method, path, headers['x-amz-target'], body].join(' '),
      );
      for (const target of targets) expect(target).toMatch(harmless);
      expect(targets.length).toBeLessThan(60);
    },
    40_000,
  );
});

describe.each([
  ['webhook', () => ({ url: speaker.url })],
  ['pagerDuty', () => ({ routingKey: 'c'.repeat(32), url: speaker.url })],
  ['githubIssue', () => ({ repository: 'acme/shop', token: 'canary', baseUrl: speaker.url })],
])('notifier %s', (kind, config) => {
  const notifier = createNotifiers({ now: Date.now }).get(kind);
  /** Nobody reads what a webhook answers: that it took it is enough. */
  const isTaken = ({ status = 200, cut }: Reply) => kind === 'webhook' && status < 300 && !cut;
  const bad = badReplies('{"status":"success"}').filter(([, reply]) => !isTaken(reply));

  it.each(bad)('says so of %s', async (_what, reply) => {
    speaker.says(reply);
    const failure: unknown = await notifier?.notify(config(), noticeOf(), new AbortController().signal).then(
      () => expect.fail('it was content'),
      (error: unknown) => error,
    );
    const message = failure instanceof Error ? failure.message : '';
    expect(message).not.toMatch(NO_MESSAGE);
    expect(message).not.toContain('canary');
  });
});

afterAll(() => {
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
});
