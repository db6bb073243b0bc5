/** The document's story by one command, as a newcomer runs it. */
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
        'staging/loadTest',
        'production/approval',
        'production/deploy',
        'production/monitor',
      ]),
    );
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
    await running.untilLine((line) => JSON.stringify(line).includes('abort'));
    const abortedAt = Date.now();
    await until(
      async () => (await k6()).length === 0,
      2_000,
      async () => JSON.stringify(await k6()),
    );
    expect(Date.now() - abortedAt).toBeLessThan(2_000);
    const ended = await running.ended;
    expect([ended.code, outcomeOf(ended)?.status], ended.stderr).toEqual([1, 'rolledBack']);
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
