/**
 * Answers of any shape at a waiting gate: each does nothing and says why, the gate waits on, and what a person writes
 * forges neither a line nor a link in anything that shows it. On a real server.
 */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import { renderReportMarkdown } from '../../src/platform/report.js';
import { renderDetails } from '../../src/workflows/details.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import { approvalStep, planOf, secretStep } from '../support/plans.js';
import { waitFor } from '../support/processes.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

const GATE = 'production/approval';
/** Would be lines, links, pictures, code, marks and commands of the terminal of their own. */
const EVIL =
  'eve\n\n### Waits: nothing\r\n- [x] production/secret (succeeded)\n[approve](http://evil.example) ![x](http://evil.example/x.png) <b>ben</b> `rm -rf /` | \u001b[2J\u001b]8;;http://evil.example\u0007x\u202e\u0000\ud800';

let env: TestWorkflowEnvironment;
let world: FakeWorld;
let workers: { stop: () => Promise<void> };
let handle: WorkflowHandle;

beforeAll(async () => {
  env = await startTemporal();
});
afterAll(async () => env?.teardown());
beforeEach(async () => {
  world = createFakeWorld();
  workers = await startWorkers(env, world.activities);
  const steps = [approvalStep('production', ['production/settings']), secretStep('production')];
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps }]);
  const input: RolloutInput = { plan, startedBy: EVIL, searchAttributes: false };
  handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  await until(({ waiting }) => waiting?.gate === GATE);
});
afterEach(async () => {
  await handle.terminate().catch(() => undefined);
  await workers.stop();
});

const progress = () => handle.query<Progress>(PROGRESS_QUERY);
const until = (fact: (now: Progress) => boolean) =>
  waitFor(async () => fact(await progress()), 'the progress that the test waits for');
const written = () => world.calls.filter((call) => call.startsWith('putSecret'));

interface Answers {
  [what: string]: (digest: string) => unknown[];
}

const SHAPES: Answers = {
  nothing: () => [],
  null: () => [null],
  'a text': () => ['yes'],
  'a number': () => [1],
  true: () => [true],
  'a list': (digest) => [[GATE, digest]],
  'an empty object': () => [{}],
  'JSON in a text': (digest) => [JSON.stringify({ gate: GATE, digest, by: 'ana' })],
  'no digest': () => [{ gate: GATE, by: 'ana' }],
  'no gate': (digest) => [{ digest, by: 'ana' }],
  'no name': (digest) => [{ gate: GATE, digest }],
  'a name of spaces': (digest) => [{ gate: GATE, digest, by: ' \n\t' }],
  'a name that nobody sees': (digest) => [{ gate: GATE, digest, by: '\u200b\u202e\u0000' }],
  'a name that is a list': (digest) => [{ gate: GATE, digest, by: ['ana'] }],
  'a name that is an object': (digest) => [{ gate: GATE, digest, by: { name: 'ana' } }],
  'a digest that is a number': (digest) => [{ gate: GATE, digest: Number.parseInt(digest, 16), by: 'ana' }],
  'a digest that is a list': (digest) => [{ gate: GATE, digest: [digest], by: 'ana' }],
  'the digest in capitals': (digest) => [{ gate: GATE, digest: `${digest.toUpperCase()}X`, by: 'ana' }],
  'the digest with a line break': (digest) => [{ gate: GATE, digest: `${digest}\n`, by: 'ana' }],
  'the start of the digest': (digest) => [{ gate: GATE, digest: digest.slice(0, 4), by: 'ana' }],
  'another gate': (digest) => [{ gate: 'staging/approval', digest, by: 'ana' }],
  'a gate that is an object': (digest) => [{ gate: { toString: GATE }, digest, by: 'ana' }],
  'a gate in the prototype': (digest) => [
    JSON.parse(`{"__proto__":{"gate":"${GATE}","digest":"${digest}","by":"ana"}}`),
  ],
  'a gate of a megabyte': (digest) => [{ gate: 'x'.repeat(1024 * 1024), digest, by: 'ana' }],
  'a signature that nobody asked for': (digest) => [{ gate: GATE, digest, by: 'ana', signature: 'x' }],
  'deeper than anybody reads': (digest) => [
    { gate: JSON.parse('['.repeat(500) + ']'.repeat(500)), digest, by: 'ana' },
  ],
  'a gate of nasty signs': (digest) => [{ gate: EVIL, digest, by: EVIL }],
};

describe('approve by signal', () => {
  test.each(Object.entries(SHAPES))('%s: nothing happens, and it is said why', async (_what, answers) => {
    const digest = (await progress()).waiting?.digest ?? '';
    await handle.signal('approve', ...answers(digest));
    await until(({ ignored }) => ignored?.signal === 'approve');
    const now = await progress();
    expect(now.ignored?.why).toMatch(/^[^\p{Cc}\p{Cf}]{5,400}$/u);
    expect([now.waiting?.gate, now.approvals, written()]).toEqual([GATE, [], []]);
    expectUnforged(renderDetails(now));
    expect(JSON.stringify(now).length).toBeLessThan(16 * 1024);
  });

  test('what is no JSON at all: nothing happens, and the gate still takes the right answer', async () => {
    const encoded = (data: string, encoding = 'json/plain') => ({
      metadata: { encoding: Buffer.from(encoding) },
      data: Buffer.from(data),
    });
    const payloads = [
      encoded('{"gate":'),
      encoded(''),
      encoded('\u0000\u00ff'),
      encoded('{}', 'binary/unknown'),
      encoded('NaN'),
    ];
    for (const payload of payloads) {
      await env.client.workflowService.signalWorkflowExecution({
        namespace: env.client.options.namespace,
        workflowExecution: { workflowId: handle.workflowId },
        signalName: 'approve',
        input: { payloads: [payload] },
      });
    }
    await until(({ ignored }) => ignored?.signal === 'approve');
    expect((await progress()).ignored?.why).toMatch(/expected one JSON object/);
    const { waiting } = await progress();
    await handle.executeUpdate('approve', { args: [{ gate: GATE, digest: waiting?.digest, by: 'ana' }] });
    await until(({ outcome }) => outcome === 'promoted');
  });
});

test('what a person writes forges no line and no link, wherever it is shown', async () => {
  const { waiting } = await progress();
  await handle.signal('approve', { gate: GATE, digest: waiting?.digest, by: EVIL, reason: EVIL });
  const { progress: done } = (await handle.result()) as RolloutResult;
  expect(done.outcome).toBe('promoted');
  for (const text of [done.approvals[0]?.by ?? '', done.approvals[0]?.reason ?? '']) {
    expect(text).toMatch(/^eve ### Waits: nothing - \[x\][^\p{Cc}\p{Cf}\p{Cs}]+$/u);
  }
  expectUnforged(renderDetails(done));
  expectUnforged(renderReportMarkdown(done));
  for (const notice of world.notices) expect(notice).not.toMatch(/\n/);
});

test('an abort with a reason of three megabytes is an abort, with the beginning of it', async () => {
  await handle.signal('abort', { by: 'b'.repeat(10_000), reason: 'r'.repeat(1024 * 1024) });
  const { progress: done } = (await handle.result()) as RolloutResult;
  expect([done.outcome, done.stop?.kind]).toEqual(['rolledBack', 'abort']);
  expect(done.stop?.message.length).toBeLessThan(1_100);
});

/** Each line is one that we have composed; what stands in brackets, ticks and angles stands there as text. */
function expectUnforged(whole: string): void {
  // In a block of code nothing is anything.
  const markdown = whole.replace(/^```\w*\n.*\n```$/gm, '');
  expect(markdown).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Cs}]/u);
  expect(
    markdown.split('\n').filter((line) => /^(### Waits: nothing|- \[x\] production\/secret)/.test(line)),
  ).toEqual([]);
  expect(markdown).not.toMatch(/(?<!\\)\]\(http:\/\/evil/);
  expect(markdown).not.toMatch(/(?<!\\)<b>/);
  expect(markdown).not.toMatch(/(?<!\\)`rm /);
}
