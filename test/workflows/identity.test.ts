/** Signed approvals: whose they are an activity says; whether they count the workflow does. */
import { randomUUID } from 'node:crypto';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ApprovalStepConfig } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import { approvalStep, planOf, secretStep } from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
beforeAll(async () => {
  env = await startTemporal();
});
afterAll(async () => env?.teardown());
afterEach(async () => {
  await workers?.stop();
  workers = undefined;
});

interface Begun {
  handle: WorkflowHandle;
  gate: string;
  digest: string;
}

const untilAsked = async (handle: WorkflowHandle): Promise<Progress> => {
  for (;;) {
    const progress = await handle.query<Progress>(PROGRESS_QUERY);
    if (progress.waiting?.for === 'approval' || progress.outcome) return progress;
  }
};

async function begin(
  config: Partial<ApprovalStepConfig>,
  signedStart?: RolloutInput['signedStart'],
  world: FakeWorld = createFakeWorld(),
): Promise<Begun> {
  workers = await startWorkers(env, world.activities);
  const gate = approvalStep('production', ['production/settings'], config.approvals ?? 1);
  Object.assign(gate.config, { identity: 'ssh', ...config });
  const plan = planOf(`signed-${randomUUID().slice(0, 8)}`, [
    { name: 'production', steps: [gate, secretStep('production')] },
  ]);
  const input: RolloutInput = {
    plan,
    startedBy: 'ana@example.com',
    searchAttributes: false,
    ...(signedStart ? { signedStart } : {}),
  };
  const handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  const { waiting } = await untilAsked(handle);
  return { handle, gate: waiting?.gate ?? '', digest: waiting?.digest ?? '' };
}

/** The world in memory takes `NAME's KEY` for a signature of NAME by KEY. */
async function answer(
  { handle, gate, digest }: Begun,
  by: string,
  signature?: string,
  name: 'approve' | 'reject' = 'approve',
): Promise<string> {
  try {
    await handle.executeUpdate(name, { args: [{ gate, digest, by, signature }] });
    return 'taken';
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return error.cause?.message ?? '';
    throw error;
  }
}

const freshStart = (by = 'ana@example.com') => ({
  at: new Date().toISOString(),
  signature: `${by}'s key-ana`,
});
const resultOf = ({ handle }: Begun): Promise<RolloutResult> => handle.result() as Promise<RolloutResult>;

describe('a gate with identity: ssh', () => {
  test('takes a signed answer, and records whose key it was', async () => {
    const begun = await begin({});
    const { waiting } = await untilAsked(begun.handle);
    expect([waiting?.signed, waiting?.evidence?.sha256]).toEqual([true, 'f'.repeat(64)]);
    expect(await answer(begun, 'ben@example.com')).toContain('takes signed answers only');
    expect(await answer(begun, 'ben@example.com', "cas@example.com's key-cas")).toContain(
      'the signature is none of ben@example.com for this run, gate and evidence',
    );
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben")).toBe('taken');
    const { outcome, progress } = await resultOf(begun);
    expect(outcome).toBe('promoted');
    expect(progress.approvals).toMatchObject([
      { answer: 'approved', by: 'ben@example.com', verified: true, key: 'key-ben' },
    ]);
    expect(progress.approvals).toHaveLength(1);
  });

  test('a signed rejection turns it round, an unsigned one does nothing', async () => {
    const begun = await begin({});
    expect(await answer(begun, 'ben@example.com', undefined, 'reject')).toContain('signed answers only');
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben", 'reject')).toBe('taken');
    const { outcome, progress } = await resultOf(begun);
    expect([outcome, progress.stop?.kind, progress.stop?.by]).toEqual([
      'rolledBack',
      'rejected',
      'ben@example.com',
    ]);
  });

  test('a signal that is signed wrongly does nothing, and the details say why', async () => {
    const begun = await begin({});
    const { handle, gate, digest } = begun;
    await handle.signal('approve', { gate, digest, by: 'ben@example.com', signature: 'nonsense' });
    for (;;) {
      const { ignored, waiting } = await handle.query<Progress>(PROGRESS_QUERY);
      if (!ignored) continue;
      expect(ignored.why).toContain('the signature is none of ben@example.com');
      expect(waiting?.for).toBe('approval');
      break;
    }
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben")).toBe('taken');
    expect((await resultOf(begun)).outcome).toBe('promoted');
  });

  test('two approvals are two names and two keys', async () => {
    const begun = await begin({ approvals: 2 });
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben")).toBe('taken');
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-laptop")).toBe('taken');
    // A pattern in the list of signers may allow one key under many names.
    expect(await answer(begun, 'ben2@example.com', "ben2@example.com's key-ben")).toBe('taken');
    expect((await untilAsked(begun.handle)).waiting?.for).toBe('approval');
    expect(await answer(begun, 'cas@example.com', "cas@example.com's key-cas")).toBe('taken');
    expect((await resultOf(begun)).outcome).toBe('promoted');
  });

  test('only the approvers', async () => {
    const begun = await begin({ approvers: ['cas@example.com'] });
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben")).toContain(
      'is none of the approvers: cas@example.com',
    );
    expect(await answer(begun, 'cas@example.com', "cas@example.com's key-cas")).toBe('taken');
    expect((await resultOf(begun)).outcome).toBe('promoted');
  });

  test('not the initiator, by name or by key', async () => {
    const begun = await begin({ notInitiator: true }, freshStart());
    expect(await answer(begun, 'ana@example.com', "ana@example.com's other")).toContain('has started it');
    expect(await answer(begun, 'ana.priv@example.com', "ana.priv@example.com's key-ana")).toContain(
      'has started it',
    );
    expect(await answer(begun, 'ben@example.com', "ben@example.com's key-ben")).toBe('taken');
    expect((await resultOf(begun)).outcome).toBe('promoted');
  });

  test.each([
    ['a start that nobody has signed', undefined, 'the start has to be signed'],
    [
      'a signature that lay about',
      { at: '2026-01-01T00:00:00.000Z', signature: "ana@example.com's key-ana" },
      'which is not within 2 min of its start',
    ],
    ['a time that is none', { at: 'soon', signature: "ana@example.com's key-ana" }, 'not within 2 min'],
  ])('%s is refused before anything is touched', async (_name, signedStart, why) => {
    const begun = await begin({ notInitiator: true }, signedStart);
    const { outcome, progress } = await resultOf(begun);
    expect([outcome, progress.stop?.message]).toEqual(['refused', expect.stringContaining(why)]);
  });
});
