/** An opaque deploy of which nobody can tell whether it was begun: a person is asked. On a real server. */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HeadgateActivities } from '../../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedStep } from '../../src/plan/resolved.js';
import { unknownResult } from '../../src/platform/failures.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import { approvalStep, deployStep, planOf } from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

const STEP = 'production/deploy';
const WHY = 'whether deploy-production.yml runs on v1.0.1 is not known. Look at https://github.com/acme/shop';

let env: TestWorkflowEnvironment;
let world: FakeWorld;
let workers: { stop: () => Promise<void> };
/** `knownUndone` of each promotion. */
let promoted: (boolean | undefined)[];

beforeAll(async () => {
  env = await startTemporal();
});
afterAll(async () => env?.teardown());
beforeEach(async () => {
  world = createFakeWorld();
  promoted = [];
  const { activities } = world;
  workers = await startWorkers(env, {
    ...activities,
    lookRelease: async (input) => {
      const look = await activities.lookRelease(input);
      return { ...look, found: { ...look.found, staged: false } };
    },
    promoteRelease: async (input) => {
      promoted.push(input.knownUndone);
      return activities.promoteRelease(input);
    },
    restoreTraffic: async (input) => {
      world.calls.push(`restored ${input.base.live.id}`);
      return { summary: 'deployed as before', changed: true };
    },
  });
});
afterEach(() => workers.stop());

async function start(...steps: ResolvedStep[]) {
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps }]);
  const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: false };
  return env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
}
type Handle = Awaited<ReturnType<typeof start>>;

const waitingOf = async (handle: Handle) => (await handle.query<Progress>(PROGRESS_QUERY)).waiting;
const asked = (handle: Handle, what: 'decision' | 'approval') =>
  expect.poll(async () => (await waitingOf(handle))?.for, { timeout: 20_000 }).toBe(what);
const answer = (handle: Handle, name: string) =>
  handle.executeUpdate(name, { args: [{ step: STEP, by: 'cas', reason: 'I looked' }] });
const endOf = async (handle: Handle) => (await handle.result()) as RolloutResult;
const unclearOnce = () => {
  world.faults.promoteRelease = (call) => (call === 1 ? unknownResult(WHY) : undefined);
};

describe('nobody can tell whether it was dispatched', () => {
  test('it is not repeated by itself: a person is asked, and told where to look', async () => {
    unclearOnce();
    const handle = await start(deployStep('production', 'immediate'));
    await asked(handle, 'decision');
    expect(await waitingOf(handle)).toMatchObject({
      step: STEP,
      answers: ['retry', 'skip', 'abort'],
      message: expect.stringContaining(`${WHY}. retry deploys again, skip takes v1.0.1 as deployed`),
    });
    expect(promoted).toEqual([undefined]);
    await answer(handle, 'skip');
    await endOf(handle);
  });

  test('retry deploys again, and says that the first was not done', async () => {
    unclearOnce();
    const handle = await start(deployStep('production', 'immediate'));
    await asked(handle, 'decision');
    await answer(handle, 'retry');
    expect((await endOf(handle)).outcome).toBe('promoted');
    expect(promoted).toEqual([undefined, true]);
  });

  test('skip goes on with the version as deployed, and judges it', async () => {
    unclearOnce();
    const handle = await start(deployStep('production', 'immediate'));
    await asked(handle, 'decision');
    await answer(handle, 'skip');
    const { outcome, progress } = await endOf(handle);
    expect([outcome, promoted]).toEqual(['promoted', [undefined]]);
    expect(progress.steps[0]?.measurements?.map(({ probe }) => probe)).toContain('healthy');
  });

  test('abort takes it back', async () => {
    unclearOnce();
    const handle = await start(deployStep('production', 'immediate'));
    await asked(handle, 'decision');
    await handle.executeUpdate('abort', { args: [{ by: 'cas' }] });
    expect((await endOf(handle)).outcome).toBe('rolledBack');
    expect(world.calls).toContain('restored production-old');
  });
});

describe('what the version stands for', () => {
  const approvedThen = async (lookAgain: (look: Look) => Partial<Look>) => {
    let isApproved = false;
    const { activities } = world;
    await workers.stop();
    workers = await startWorkers(env, {
      ...activities,
      lookRelease: async (input) => {
        const look = await activities.lookRelease(input);
        return isApproved ? { ...look, ...lookAgain(look) } : look;
      },
    });
    const handle = await start(approvalStep('production', [STEP]), deployStep('production', 'immediate'));
    await asked(handle, 'approval');
    const gate = await waitingOf(handle);
    isApproved = true;
    await handle.executeUpdate('approve', { args: [{ gate: gate?.gate, digest: gate?.digest, by: 'ben' }] });
    return handle;
  };
  type Look = Awaited<ReturnType<HeadgateActivities['lookRelease']>>;

  test('known only after the approval, for an earlier step has made it: that is no drift', async () => {
    const handle = await approvedThen(({ digest }) => ({ digest: 'pinned', unpinnedDigest: digest }));
    expect((await endOf(handle)).outcome).toBe('promoted');
  });

  test('another thing than was approved: the approval is void', async () => {
    const handle = await approvedThen(() => ({ digest: 'moved', unpinnedDigest: 'before' }));
    await expect
      .poll(async () => (await handle.query<Progress>(PROGRESS_QUERY)).approvals, { timeout: 20_000 })
      .toMatchObject([{ answer: 'voided' }]);
    await handle.terminate();
  });
});
