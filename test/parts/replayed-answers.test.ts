/**
 * Answers that are none: a real signature for another run, gate or evidence, a voided or an altered one, an answer to
 * a gate that has been decided, to an old run. As a signal and as an update; nothing happens, and it is said why.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEvidenceActivities } from '../../src/activities/evidence.js';
import { createIdentityActivities } from '../../src/activities/identity.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { FAILURES, PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress, Waiting } from '../../src/contract/progress.js';
import { type SignedAnswer, textOfAnswer } from '../../src/contract/signed-text.js';
import type { ApprovalStepConfig } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { Redactor } from '../../src/platform/redaction.js';
import { signText, verifySignature } from '../../src/platform/ssh-signatures.js';
import { createFakeWorld, type FakeWorld, seen } from '../support/fake-world.js';
import { approvalStep, configStep, planOf, secretStep } from '../support/plans.js';
import { createKey } from '../support/sshd.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let folder: string;
let world: FakeWorld;
let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
let application: string;
const begun: WorkflowHandle[] = [];

beforeAll(async () => {
  env = await startTemporal();
  folder = await mkdtemp(join(tmpdir(), 'headgate-replayed-'));
  const lines = [];
  for (const name of ['ben', 'cas']) {
    createKey(join(folder, name));
    const [type, key] = (await readFile(join(folder, `${name}.pub`), 'utf8')).split(' ');
    lines.push(`${name}@example.com ${type} ${key}`);
  }
  await writeFile(join(folder, 'allowed_signers'), `${lines.join('\n')}\n`);
});
beforeEach(async () => {
  world = createFakeWorld();
  application = `app-${randomUUID().slice(0, 8)}`;
  workers = await startWorkers(env, {
    ...world.activities,
    ...createEvidenceActivities({ artifacts: new ArtifactStore(folder, new Redactor()) }),
    ...createIdentityActivities({ allowedSigners: join(folder, 'allowed_signers'), verifySignature }),
  });
});
afterEach(async () => {
  for (const handle of begun.splice(0)) await handle.terminate('end of the test').catch(() => undefined);
  await workers?.stop();
});
afterAll(async () => {
  await env?.teardown();
  await rm(folder, { recursive: true, force: true });
});

async function begin(config: Partial<ApprovalStepConfig> = { identity: 'ssh' }): Promise<WorkflowHandle> {
  const first = approvalStep('production', ['production/settings']);
  const second = approvalStep('production', ['production/config']);
  Object.assign(second, { id: 'approval-2', name: 'production/approval-2' });
  for (const gate of [first, second]) Object.assign(gate.config, config);
  const steps = [first, secretStep('production'), second, configStep('production')];
  const handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(application),
    taskQueue: TASK_QUEUE,
    args: [
      {
        plan: planOf(application, [{ name: 'production', steps }]),
        startedBy: 'ana',
        searchAttributes: false,
      } satisfies RolloutInput,
    ],
  });
  begun.push(handle);
  return handle;
}

const progressOf = (handle: WorkflowHandle) => handle.query<Progress>(PROGRESS_QUERY);

async function until(handle: WorkflowHandle, isTrue: (progress: Progress) => boolean): Promise<Progress> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const progress = await progressOf(handle);
    if (isTrue(progress)) return progress;
    if (Date.now() > deadline) throw new Error(`it never came: ${JSON.stringify(progress, null, 1)}`);
  }
}

async function asked(handle: WorkflowHandle, gate: string, voided = 0): Promise<Waiting> {
  const { waiting } = await until(
    handle,
    (progress) =>
      progress.waiting?.gate === gate &&
      progress.approvals.filter(({ answer }) => answer === 'voided').length === voided,
  );
  return waiting as Waiting;
}

interface Input {
  gate?: string;
  digest?: string;
  by: string;
  reason?: string;
  signature?: string;
}

/** As `approve` of the command line makes it. */
async function signed(
  handle: WorkflowHandle,
  { gate = '', digest, evidence }: Waiting,
  change: Partial<SignedAnswer> = {},
  key = 'ben',
): Promise<Input> {
  const { runId } = await progressOf(handle);
  const answer: SignedAnswer = {
    answer: 'approve',
    application,
    runId,
    gate,
    evidenceSha256: evidence?.sha256 ?? '',
    by: 'ben@example.com',
    ...change,
  };
  const signature = await signText(join(folder, key), textOfAnswer(answer));
  return { gate, digest, by: answer.by, signature };
}

const approve = (handle: WorkflowHandle, input: Input) => handle.executeUpdate('approve', { args: [input] });
const resultOf = (handle: WorkflowHandle): Promise<RolloutResult> => handle.result();

/** As an update it is refused, as a signal it leaves the reason; the gate waits as before. */
async function doesNothing(handle: WorkflowHandle, input: Input, why: RegExp): Promise<void> {
  const before = await progressOf(handle);
  const refusal = await approve(handle, input).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(WorkflowUpdateFailedError);
  expect((refusal as WorkflowUpdateFailedError).cause?.message).toMatch(why);
  const { ignored: last } = await progressOf(handle);
  await handle.signal('approve', input);
  const { ignored, waiting, approvals } = await until(
    handle,
    ({ ignored }) => ignored !== undefined && JSON.stringify(ignored) !== JSON.stringify(last),
  );
  expect(ignored).toMatchObject({ signal: 'approve', why: expect.stringMatching(why) });
  expect([waiting?.gate, waiting?.digest]).toEqual([before.waiting?.gate, before.waiting?.digest]);
  expect(approvals).toEqual(before.approvals);
}

const NOT_BENS = /^the signature is none of ben@example\.com for this run, gate and evidence/;

describe('a signature', () => {
  test('that was altered, borrowed, or made for something else is no answer', async () => {
    const handle = await begin();
    const waiting = await asked(handle, 'production/approval');
    const right = await signed(handle, waiting);
    const altered = (right.signature ?? '').split('\n');
    altered[2] = (altered[2] ?? '').split('').reverse().join('');
    const wrong: Input[] = [
      { ...right, signature: altered.join('\n') },
      { ...right, reason: 'another reason than the one that was signed' },
      await signed(handle, waiting, { runId: randomUUID() }),
      await signed(handle, waiting, { application: 'bank' }),
      await signed(handle, waiting, { gate: 'production/approval-2' }).then((input) => ({
        ...input,
        gate: waiting.gate,
      })),
      await signed(handle, waiting, { evidenceSha256: 'e'.repeat(64) }),
      await signed(handle, waiting, { answer: 'reject' }),
      await signed(handle, waiting, {}, 'cas'),
    ];
    for (const input of wrong) await doesNothing(handle, input, NOT_BENS);
    expect(world.calls.filter((call) => call.startsWith('putSecret'))).toEqual([]);
    await approve(handle, right);
    await asked(handle, 'production/approval-2');
  });

  test('of an earlier run of the same plan, replayed with the digest of this one, is no answer', async () => {
    const first = await begin();
    const given = await signed(first, await asked(first, 'production/approval'));
    await approve(first, given);
    await asked(first, 'production/approval-2');
    await first.executeUpdate('abort', { args: [{ by: 'ana' }] });
    await resultOf(first);
    const second = await begin();
    const waiting = await asked(second, 'production/approval');
    expect(waiting.digest).not.toBe(given.digest);
    await doesNothing(second, given, /is not what the gate shows now/);
    await doesNothing(second, { ...given, digest: waiting.digest }, NOT_BENS);
  });

  test('of the first gate is none for the second', async () => {
    const handle = await begin();
    const given = await signed(handle, await asked(handle, 'production/approval'));
    await approve(handle, given);
    const { gate, digest } = await asked(handle, 'production/approval-2');
    await doesNothing(
      handle,
      given,
      /gate "production\/approval" does not wait; production\/approval-2 does/,
    );
    await doesNothing(handle, { ...given, gate, digest }, NOT_BENS);
  });

  test('of an approval that drift has voided is none for what is asked then, though all of it looks the same', async () => {
    // Somebody has moved it there and back: a look finds what it found before.
    world.faults.putSecret = (call) =>
      call === 1 ? ApplicationFailure.nonRetryable('it was at v9 for a moment', FAILURES.drift) : undefined;
    const handle = await begin();
    const before = await asked(handle, 'production/approval');
    const given = await signed(handle, before);
    await approve(handle, given);
    const again = await asked(handle, 'production/approval', 1);
    for (const same of ['looks', 'changes', 'results', 'compensations'] as const) {
      expect(again.evidence?.[same], same).toEqual(before.evidence?.[same]);
    }
    expect(again.digest).not.toBe(before.digest);
    await doesNothing(handle, given, /is not what the gate shows now/);
    await doesNothing(handle, { ...given, digest: again.digest }, NOT_BENS);
    expect((await progressOf(handle)).approvals.map(({ answer }) => answer)).toEqual(['voided']);
    await approve(handle, await signed(handle, again));
    await asked(handle, 'production/approval-2', 1);
  });
});

describe('an answer without a signature', () => {
  const NOBODY = {};

  test('after the gate was decided does nothing', async () => {
    let release = () => {};
    world.blocked.putSecret = new Promise((resolve) => {
      release = resolve;
    });
    const handle = await begin(NOBODY);
    const { gate, digest } = await asked(handle, 'production/approval');
    await approve(handle, { gate, digest, by: 'ben' });
    await seen(world, 'putSecret');
    await doesNothing(handle, { gate, digest, by: 'cas' }, /^no gate waits for an approval$/);
    await handle.signal('reject', { gate, digest, by: 'cas' });
    await until(handle, ({ ignored }) => ignored?.signal === 'reject');
    release();
    const second = await asked(handle, 'production/approval-2');
    await approve(handle, { gate: second.gate, digest: second.digest, by: 'ben' });
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.approvals.map(({ by }) => by)]).toEqual(['promoted', ['ben', 'ben']]);
  });

  test('to a run that has ended reaches nobody, and not the run that came after it', async () => {
    const first = await begin(NOBODY);
    const { gate, digest } = await asked(first, 'production/approval');
    const { runId } = await progressOf(first);
    await first.executeUpdate('abort', { args: [{ by: 'ana' }] });
    await resultOf(first);
    const second = await begin(NOBODY);
    const waiting = await asked(second, 'production/approval');
    const old = env.client.workflow.getHandle(rolloutWorkflowId(application), runId);
    await expect(old.signal('approve', { gate, digest, by: 'ben' })).rejects.toThrow(/already completed/);
    await expect(approve(old, { gate, digest, by: 'ben' })).rejects.toThrow();
    // To whatever runs now, with what the old one showed.
    await doesNothing(second, { gate, digest, by: 'ben' }, /is not what the gate shows now/);
    expect((await progressOf(second)).waiting?.digest).toBe(waiting.digest);
  });

  test('is one person’s however often it is given', async () => {
    const handle = await begin({ approvals: 2 });
    const { gate, digest } = await asked(handle, 'production/approval');
    for (let times = 0; times < 3; times += 1) {
      await approve(handle, { gate, digest, by: 'ben' });
      await handle.signal('approve', { gate, digest, by: ' ben ' });
    }
    expect((await progressOf(handle)).waiting?.gate).toBe(gate);
    await approve(handle, { gate, digest, by: 'cas' });
    await asked(handle, 'production/approval-2');
  });
});
