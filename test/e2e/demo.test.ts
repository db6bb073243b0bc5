/** The document's story by one command, as a newcomer runs it. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { type Ended, type Line, Product, STORY, until } from '../support/product.js';

let product: Product;
afterEach(async () => product?.remove());

const outcomeOf = ({ lines }: Ended) => lines.at(-1);
const stepsOf = (ended: Ended, status: string) =>
  ended.lines.filter((line) => line.type === 'step' && line.status === status).map(nameOf);
const nameOf = ({ stage, step }: Line) => `${stage}/${step?.split('/').at(-1)}`;

async function demo(...args: string[]): Promise<Ended> {
  product = await Product.create();
  const ended = await product.run('demo', '--json', ...args);
  await product.untilNothingRuns();
  return ended;
}

/** What was measured after the way back. */
function restoredOf(ended: Ended): { what: string; ok: boolean }[] {
  const data = outcomeOf(ended)?.data ?? {};
  return (data.restoration as { checks: { what: string; ok: boolean }[] }).checks;
}

/** Calls that changed a secret after the sandbox had made it, in order, as the sandbox wrote them down. */
async function changesOf(stage: string): Promise<{ at: string; target: string; label?: string }[]> {
  const text = await readFile(join(product.home, 'sandbox/logs/aws-requests.ndjson'), 'utf8');
  const calls = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, string>);
  return calls.flatMap(({ at = '', target = '', secretId, label }) =>
    secretId === `whatsapp-saas/${stage}/config` && /PutSecretValue|UpdateSecretVersionStage/.test(target)
      ? [{ at, target, label }]
      : [],
  );
}

/** Subjects of the commits of the remote, the newest first. */
async function gitLog(): Promise<string[]> {
  const remote = join(product.home, 'sandbox/repository/remote.git');
  const { stdout } = await promisify(execFile)('git', ['-C', remote, 'log', '--format=%s', 'main']);
  return stdout.trim().split('\n');
}

/** When the sandbox last did this to a release. */
async function lastTime(what: string): Promise<string> {
  const text = await readFile(join(product.home, 'sandbox/logs/supervisor.log'), 'utf8');
  const line = text.split('\n').findLast((each) => each.endsWith(what));
  if (!line) throw new Error(`"${what}" never happened:\n${text}`);
  return line.split(' ')[0] ?? '';
}

describe('demo', () => {
  test('is promoted, shows the Temporal UI meanwhile, and leaves nothing running', async () => {
    product = await Product.create();
    const running = product.spawn('demo', '--json');
    await running.untilLine((line) => line.type === 'step' && line.status === 'running');
    const ui = /http:\/\/127\.0\.0\.1:\d+\S*/.exec(running.output)?.[0];
    expect(ui, running.output).toBeDefined();
    expect((await fetch(ui ?? '')).status).toBe(200);
    expect((await product.processes()).length).toBeGreaterThan(3);
    const ended = await running.ended;
    expect([ended.code, outcomeOf(ended)?.type, outcomeOf(ended)?.status], ended.stderr).toEqual([
      0,
      'outcome',
      'promoted',
    ]);
    expect(stepsOf(ended, 'succeeded')).toEqual(
      expect.arrayContaining([
        'staging/settings',
        'staging/checkConfig',
        'staging/commit',
        'staging/loadTest',
        'staging/validate',
        'production/approval',
        'production/infra',
        'production/reboot',
        'production/settings',
        'production/tag',
        'production/deploy',
        'production/monitor',
        'production/checklist',
      ]),
    );
    const checklist = ended.lines.filter(
      ({ type, step, status }) => type === 'measurement' && step === 'checklist' && status === 'pass',
    );
    expect(checklist).toHaveLength(10);
    await product.untilNothingRuns();
  });

  test('--fail load: the gate holds in staging with the measured figures, production is never touched', async () => {
    const ended = await demo('--fail', 'load');
    expect([ended.code, outcomeOf(ended)?.status], ended.stderr).toEqual([1, 'rolledBack']);
    const against = ended.lines.filter(({ type, status }) => type === 'measurement' && status === 'fail');
    expect(JSON.stringify(against)).toMatch(/http_req_failed|http_req_duration|connection_timeouts/);
    expect(ended.lines.filter(({ stage, type }) => stage === 'production' && type === 'step')).toEqual(
      ended.lines.filter(
        ({ stage, type, status }) => stage === 'production' && type === 'step' && status === 'pending',
      ),
    );
    expect(stepsOf(ended, 'undone')).toEqual(expect.arrayContaining(['staging/deploy', 'staging/settings']));
    await lastTime('staging: traffic on v1.0.1-2');
    expect(await readFile(join(product.home, 'sandbox/staging/.env'), 'utf8')).toContain(
      'DB_CONNECTION_LIMIT=20   # see the load test report\n',
    );
    expect(await gitLog()).toEqual([
      expect.stringMatching(/^Revert/),
      'fix: increase database connection pool for peak load',
      'The application, version v1.0.0',
    ]);
    expect(await changesOf('production')).toEqual([]);
  });

  test('--fail regression: traffic first, then the secret, then the release that reads it, all measured', async () => {
    const ended = await demo('--fail', 'regression');
    expect([ended.code, outcomeOf(ended)?.status], ended.stderr).toEqual([1, 'rolledBack']);
    expect(stepsOf(ended, 'undone')).toEqual(
      expect.arrayContaining([
        'production/deploy',
        'production/settings',
        'staging/deploy',
        'staging/settings',
      ]),
    );
    const trafficBack = await lastTime('production: traffic on v1.0.0-1');
    const startedAgain = await lastTime('production: v1.0.0-1 started again');
    const back = (await changesOf('production')).filter(({ at }) => at > trafficBack);
    expect(
      back.filter(({ at, label }) => at < startedAgain && label === 'AWSCURRENT').map(({ target }) => target),
    ).toEqual([expect.stringMatching(/UpdateSecretVersionStage$/)]);
    // Afterwards only labels of ours go.
    const afterwards = back.filter(({ at }) => at > startedAgain).map(({ label }) => label);
    expect(afterwards).not.toContain('AWSCURRENT');
    expect(afterwards).not.toContain(undefined);
    const checks = restoredOf(ended);
    expect(checks.some(({ what }) => what.startsWith('production in force'))).toBe(true);
    // What the plan keeps is kept, and said.
    const { left, stop, diagnostics } = (outcomeOf(ended)?.data ?? {}) as {
      left: string[];
      stop: { advice?: string[] };
      diagnostics: { folder: string }[];
    };
    expect(left.map((line) => line.split(' ')[0]).sort()).toEqual(['production/infra', 'production/reboot']);
    expect(stop.advice?.join()).toContain('error log of the release');
    expect(diagnostics.map(({ folder }) => folder)).toContain('diagnostics/production-v1.0.1-2');
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  test('--fail abort: k6 is gone within 2 s, and everything is restored', async () => {
    product = await Product.create();
    const running = product.spawn('demo', '--json', '--fail', 'abort');
    const k6 = () => product.processes(/(^|\/)k6 run\b/);
    await until(
      async () => (await k6()).length > 0,
      120_000,
      async () => running.output,
    );
    // Said just before it is sent.
    await running.untilOutput('demo: abort');
    const abortedAt = Date.now();
    await until(
      async () => (await k6()).length === 0,
      2_000,
      async () => JSON.stringify(await k6()),
    );
    expect(Date.now() - abortedAt).toBeLessThan(2_000);
    const ended = await running.ended;
    expect([ended.code, outcomeOf(ended)?.status], ended.stderr).toEqual([1, 'rolledBack']);
    // It was the abort that ended k6, and nothing else.
    expect(outcomeOf(ended)?.data).toMatchObject({ stop: { kind: 'abort', step: 'staging/loadTest' } });
    await product.untilNothingRuns();
  });

  test('Ctrl-C stops everything it started: 130', async () => {
    product = await Product.create();
    const running = product.spawn('demo');
    await running.untilOutput('loadTest');
    running.child.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(130);
    await product.untilNothingRuns();
  });
});

test('the story is a plan that `plan --offline` takes without a fault', async () => {
  product = await Product.create();
  const { code, stdout, stderr } = await product.run('plan', STORY, '--offline');
  expect(code, stdout + stderr).toBe(0);
});
