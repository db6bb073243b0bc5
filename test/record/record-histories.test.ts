/** Not a test: `npm run record-histories` runs this to record the workflow of the present version into test/histories/. */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import type { RolloutInput, RolloutMemo } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress, Waiting } from '../../src/contract/progress.js';
import type { ResolvedPlan } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld, seen } from '../support/fake-world.js';
import { writeHistory } from '../support/histories.js';
import { monitorStep, wholePlan } from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

/** Of package.json: major and minor. What an earlier version has recorded stays as it is. */
const VERSION = /^\d+\.\d+/.exec(manifest.version)?.[0] ?? '';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await startTemporal();
});
afterAll(async () => env?.teardown());

const nothing = () => {};

async function untilCalled(world: FakeWorld, call: string, times: number): Promise<void> {
  while (world.calls.filter((each) => each.startsWith(call)).length < times) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

interface Recording {
  approvalTimeoutMs?: number;
  takenBack?: boolean;
  reshape?: (plan: ResolvedPlan) => void;
}

async function record(
  name: string,
  outcome: string,
  prepare: (world: FakeWorld) => void,
  answer: (handle: WorkflowHandle, world: FakeWorld) => Promise<void>,
  { approvalTimeoutMs = 60_000, takenBack = false, reshape = nothing }: Recording = {},
): Promise<void> {
  const world = createFakeWorld();
  prepare(world);
  const plan = wholePlan(`recorded-${randomUUID().slice(0, 8)}`);
  for (const step of plan.stages.flatMap(({ steps }) => steps)) {
    if (step.kind === 'approval') step.config.timeoutMs = approvalTimeoutMs;
  }
  reshape(plan);
  const workers = await startWorkers(env, world.activities);
  try {
    const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: true };
    const workflowId = rolloutWorkflowId(plan.application);
    const handle = await env.client.workflow.start('rollout', {
      workflowId,
      taskQueue: TASK_QUEUE,
      args: [input],
    });
    await answer(handle, world);
    await handle.result();
    const closed = takenBack ? await takeBack(handle, input) : handle;
    const { outcome: found } = await closed.query<Progress>(PROGRESS_QUERY);
    expect(found).toBe(outcome);
    await writeHistory(`${VERSION}/${name}`, await closed.fetchHistory());
  } finally {
    await workers.stop();
  }
}

async function takeBack(promoted: WorkflowHandle, input: RolloutInput): Promise<WorkflowHandle> {
  const { memo } = await promoted.describe();
  const { deeds } = memo as unknown as RolloutMemo;
  if (!deeds) throw new Error('it has left no deeds');
  const handle = await env.client.workflow.start('rollout', {
    workflowId: promoted.workflowId,
    taskQueue: TASK_QUEUE,
    args: [{ ...input, takeBack: { deeds, by: 'cas', accept: false } } satisfies RolloutInput],
  });
  await handle.result();
  return handle;
}

async function untilWaits(handle: WorkflowHandle, what: Waiting['for']): Promise<Waiting> {
  for (;;) {
    const { waiting } = await handle.query<Progress>(PROGRESS_QUERY);
    if (waiting?.for === what) return waiting;
  }
}

async function approve(handle: WorkflowHandle): Promise<void> {
  const { gate, digest } = await untilWaits(handle, 'approval');
  await handle.executeUpdate('approve', { args: [{ gate, digest, by: 'ben' }] });
}

/** Ends well although it is told to stop, once the rollout has been aborted. */
function deafTo(activity: 'lookSecret' | 'awaitProbes', step: string) {
  let begin = nothing;
  let end = nothing;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const aborted = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    prepare: (world: FakeWorld) => {
      const { activities } = world;
      const act = activities[activity] as (input: { step?: unknown; subject?: unknown }) => Promise<unknown>;
      const deaf = async (input: Parameters<typeof act>[0]) => {
        if (!JSON.stringify(input).includes(`"${step}"`)) return act(input);
        begin();
        await aborted;
        return act(input);
      };
      world.activities = { ...activities, [activity]: deaf };
    },
    abort: async (handle: WorkflowHandle) => {
      await begun;
      await handle.executeUpdate('abort', { args: [{ by: 'cas' }] });
      end();
    },
  };
}

test('promoted', () => record('promoted', 'promoted', nothing, approve));
test('rolled back', () =>
  record('rolled-back', 'rolledBack', ({ outcomes }) => outcomes.set('watched', 'fail'), approve));
test('aborted', () =>
  record(
    'aborted',
    'rolledBack',
    ({ blocked }) => {
      blocked.runLoadTest = new Promise(nothing);
    },
    async (handle, world) => {
      await seen(world, 'runLoadTest');
      await handle.signal('abort', { by: 'cas' });
    },
  ));
test('timed out', () =>
  record('timed-out', 'rolledBack', nothing, async () => {}, { approvalTimeoutMs: 2_000 }));
test('taken back', () => record('taken-back', 'rolledBack', nothing, approve, { takenBack: true }));
test('watched while it waits', () =>
  record(
    'watched',
    'promoted',
    nothing,
    async (handle, world) => {
      // The monitor's own, and the one that goes on beside the approval.
      await untilCalled(world, 'sampleProbes', 2);
      await approve(handle);
    },
    { reshape: (plan) => plan.stages[0]?.steps.push(monitorStep('staging')) },
  ));
test('tainted', () =>
  record(
    'tainted',
    'promoted',
    (world) => {
      world.faults.sampleProbes = (call) => {
        if (call === 1) world.secrets.set('app/production', 'theirs');
        return undefined;
      };
    },
    async (handle) => {
      await approve(handle);
      const { step } = await untilWaits(handle, 'decision');
      await handle.executeUpdate('skip', { args: [{ step, by: 'ben', reason: 'I know of it' }] });
    },
  ));
test('retried', () =>
  record(
    'retried',
    'rolledBack',
    ({ outcomes, faults }) => {
      outcomes.set('watched', 'fail');
      faults.undoSecret = (call) =>
        // Without its stack, which names folders of the machine that records.
        call === 1
          ? Object.assign(ApplicationFailure.nonRetryable('somebody else', 'Conflict'), { stack: '' })
          : undefined;
    },
    async (handle) => {
      await approve(handle);
      await untilWaits(handle, 'undo');
      await handle.executeUpdate('retry', { args: [{ by: 'ben' }] });
    },
  ));
test('aborted while it looks', () => {
  const look = deafTo('lookSecret', 'staging/settings');
  return record('not-begun', 'rolledBack', look.prepare, look.abort);
});
test('aborted in its last activity', () => {
  const check = deafTo('awaitProbes', 'production/check');
  return record('late-stop', 'rolledBack', check.prepare, async (handle) => {
    await approve(handle);
    await check.abort(handle);
  });
});
