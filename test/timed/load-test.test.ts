/** Load tests with a real k6 against a real server: what passes, and all the ways in which k6 exits 0 without evidence. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/activities/clock.js';
import { createLoadTestActivities } from '../../src/activities/load-test/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { LoadTestHeartbeat, LoadTestInput, LoadTestResult } from '../../src/contract/activities.js';
import type { LoadTestStepConfig, ProbeSpec } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { resolveTool } from '../../src/platform/tool-resolver.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { createK6, K6_EXIT } from '../../src/tools/k6.js';
import { type LocalServer, serve } from '../support/http-server.js';
import { noHosts } from '../support/no-hosts.js';
import { subjectOf } from '../support/subject.js';

const HEAD = `import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';
`;
const STEADY = `${HEAD}
export const options = { vus: 2, duration: '2s' };
export default function () {
  const { status } = http.get(__ENV.BASE_URL + '/ok');
  check(status, { 'is 200': (s) => s === 200 });
}`;

describe('loadTest', () => {
  let server: LocalServer;
  let folder: string;
  let home: string;
  let requests: { url?: string; token?: string }[];

  beforeAll(async () => {
    server = await serve((incoming, response) => {
      requests.push({ url: incoming.url, token: incoming.headers.authorization });
      response.writeHead(incoming.url === '/broken' ? 500 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ active: requests.length % 7 }));
    });
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    requests = [];
    folder = await mkdtemp(join(tmpdir(), 'headgate-load-'));
    home = join(folder, 'home');
    return () => rm(folder, { recursive: true, force: true });
  });

  function activities() {
    const redactor = new Redactor();
    const artifacts = new ArtifactStore(home, redactor);
    const references = new References({
      allowed: ['TOKEN'],
      env: { TOKEN: 'canary-of-the-load-test' },
      readSecret: async () => '',
      redactor,
    });
    const probes = createProbes({
      ...noHosts,
      references,
      artifacts,
      runChild,
      commandsEnabled: false,
      now: Date.now,
      secrets: { describe: async () => ({ currentVersionId: '', labels: {} }) },
      rds: createRds(),
      cloudwatch: createCloudWatch(),
    });
    const sampler = createSampler({ probes, references, redactor, now: Date.now });
    const k6 = createK6({ findK6: () => resolveTool('k6') });
    return createLoadTestActivities({
      k6,
      exitMeanings: K6_EXIT,
      artifacts,
      references,
      sampler,
      clock: systemClock,
    });
  }

  async function inputOf(script: string, config: Partial<LoadTestStepConfig> = {}): Promise<LoadTestInput> {
    await writeFile(join(folder, 'test.js'), script);
    const { context, release } = subjectOf(folder, server.url);
    return {
      context,
      release,
      step: {
        kind: 'loadTest',
        id: 'loadTest',
        stage: 'staging',
        name: 'staging/loadTest',
        onRollback: 'revert',
        config: {
          script: 'test.js',
          env: { BASE_URL: '${release:url}' },
          outputs: [],
          timeoutMs: 30_000,
          during: [],
          expect: [{ metric: 'http_req_failed', path: 'rate', lt: 0.01 }],
          ...config,
        },
      },
    };
  }
  const run = async (script: string, config?: Partial<LoadTestStepConfig>): Promise<LoadTestResult> => {
    const input = await inputOf(script, config);
    return new MockActivityEnvironment().run(() => activities().runLoadTest(input));
  };
  const messageOf = (result: LoadTestResult, probe: string) =>
    result.measurements.find((each) => each.probe === probe);
  const artifacts = async () => readdir(join(home, 'artifacts', 'booking', 'run-1'));

  it('passes with its figures, and keeps summary, series and log', async () => {
    const result = await run(STEADY, {
      outputs: ['json'],
      expect: [
        { metric: 'http_req_failed', path: 'rate', lt: 0.01 },
        { metric: 'http_req_duration', path: 'p(99)', lt: 5_000 },
        { metric: 'checks', path: 'rate', equals: 1 },
      ],
    });
    expect([result.outcome, result.exitCode], JSON.stringify(result.measurements)).toEqual(['pass', 0]);
    expect(result.iterations).toBeGreaterThan(10);
    expect(result.requests).toBe(requests.length);
    expect((await artifacts()).sort()).toEqual(
      [
        'load-test-staging-loadTest-series.json.gz',
        'load-test-staging-loadTest.json',
        'load-test-staging-loadTest.log',
      ].sort(),
    );
  });

  it('tells live figures in its heartbeats', async () => {
    const input = await inputOf(STEADY.replace('2s', '4s'));
    const environment = new MockActivityEnvironment();
    const beats: LoadTestHeartbeat[] = [];
    environment.on('heartbeat', (beat: LoadTestHeartbeat) => beats.push(beat));
    await environment.run(() => activities().runLoadTest(input));
    expect(beats.some(({ virtualUsers, requests: sent }) => virtualUsers === 2 && sent > 0)).toBe(true);
  });

  it('fails when a figure does not hold, with the figure', async () => {
    const result = await run(STEADY.replace('/ok', '/broken'));
    expect(result.outcome).toBe('fail');
    expect(messageOf(result, 'http_req_failed')?.message).toBe('http_req_failed.rate = 1, expected < 0.01');
    expect(messageOf(result, 'checks')).toMatchObject({ outcome: 'fail' });
  });

  it("fails when the script's own threshold is crossed (99)", async () => {
    const script = STEADY.replace('vus: 2', "thresholds: { http_reqs: ['count<1'] }, vus: 2");
    const result = await run(script);
    expect([result.outcome, result.exitCode]).toEqual(['fail', 99]);
    expect(messageOf(result, 'k6')?.message).toContain('a threshold of the script was crossed');
  });

  it('exits 0 when every iteration throws, and does not pass', async () => {
    const result = await run(`${HEAD}
export const options = { vus: 1, iterations: 5 };
export default function () { http.get(__ENV.BASE_URL + '/ok'); throw new Error('oops'); }`);
    expect([result.outcome, result.exitCode]).toEqual(['fail', 0]);
    expect(messageOf(result, 'iterations')?.message).toBe('every one of 5 iterations threw an exception');
  });

  it('a counter that was never added to is no evidence; `look` says so before', async () => {
    const script = STEADY.replace('export default', "const never = new Counter('timeouts');\nexport default");
    const expectation = [{ metric: 'timeouts', path: 'count', equals: 0 }];
    const input = await inputOf(script, { expect: expectation });
    const look = await activities().lookLoadTest(input);
    expect(look.warnings).toEqual([expect.stringContaining('gives timeouts no threshold')]);
    expect((await run(script, { expect: expectation })).outcome).toBe('inconclusive');
    const counted = script.replace('vus: 2', "thresholds: { timeouts: ['count<1'] }, vus: 2");
    expect(
      (await activities().lookLoadTest(await inputOf(counted, { expect: expectation }))).warnings,
    ).toEqual([]);
    expect((await run(counted, { expect: expectation })).outcome).toBe('pass');
  });

  it('a script that cannot be read is said by `look`, and no run repeats it', async () => {
    const looking = activities().lookLoadTest(await inputOf('export default function () {'));
    await expect(looking).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    await expect(run('export default function () {')).rejects.toMatchObject({ type: 'Invalid' });
  });

  it('a test that is too slow is stopped and does not pass', async () => {
    const result = await run(STEADY.replace('2s', '60s'), { timeoutMs: 2_500 });
    expect(result.outcome).toBe('fail');
    expect(messageOf(result, 'k6')?.message).toContain('was not done after 2.5 s');
  });

  it('is gone within two seconds of an abort, and rejects with it', async () => {
    const input = await inputOf(STEADY.replace('2s', '60s'));
    const environment = new MockActivityEnvironment();
    const running = environment.run(() => activities().runLoadTest(input));
    running.catch(() => undefined);
    while (requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await k6Processes()).toBe(1);
    const startedAt = Date.now();
    environment.cancel();
    await expect(running).rejects.toBeInstanceOf(CancelledFailure);
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    expect(await k6Processes()).toBe(0);
  });

  /** Those of this test, by the folder they work in. */
  async function k6Processes(): Promise<number> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(
      pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    return found.filter((command) => command.includes('--summary-export') && command.includes(folder)).length;
  }

  it('gives secrets to the script by its environment, never as arguments or in what is kept', async () => {
    const script = `${HEAD}
export const options = { vus: 1, iterations: 3 };
export default function () {
  console.log('token ' + __ENV.TOKEN);
  http.get(__ENV.BASE_URL + '/ok', { headers: { authorization: __ENV.TOKEN } });
}`;
    const result = await run(script, { env: { BASE_URL: '${release:url}', TOKEN: '${env:TOKEN}' } });
    expect(result.outcome).toBe('pass');
    expect(requests[0]?.token).toBe('canary-of-the-load-test');
    const log = await readFile(join(home, 'artifacts/booking/run-1/load-test-staging-loadTest.log'), 'utf8');
    expect(log).toContain('token [redacted]');
  });

  describe('probes meanwhile', () => {
    const during = (path: string, expectation: ProbeSpec['expect'][number]): ProbeSpec => ({
      name: 'load',
      kind: 'http',
      config: { url: `${server.url}${path}` },
      expect: [expectation],
      timeoutMs: 1_000,
    });

    it('are judged at every sample, or over all of them', async () => {
      const result = await run(STEADY, {
        during: [
          { ...during('/ok', { path: 'status', equals: 200 }), name: 'healthy' },
          { ...during('/ok', { path: 'body.active', aggregate: 'p95', lte: 6 }), name: 'active' },
        ],
      });
      expect(result.outcome, JSON.stringify(result.measurements)).toBe('pass');
      expect(messageOf(result, 'healthy')?.message).toMatch(/\(\d samples\)/);
      expect(messageOf(result, 'active')?.message).toMatch(/p95\(body.active\) = \d over \d samples/);
    });

    it('one that fails fails the test, one without evidence never passes', async () => {
      const failed = await run(STEADY, { during: [during('/broken', { path: 'status', equals: 200 })] });
      expect([failed.outcome, messageOf(failed, 'load')?.outcome]).toEqual(['fail', 'fail']);
      const missing = await run(STEADY, { during: [during('/ok', { path: 'body.nothing', equals: 200 })] });
      expect([missing.outcome, messageOf(missing, 'load')?.outcome]).toEqual([
        'inconclusive',
        'inconclusive',
      ]);
    });
  });
});
