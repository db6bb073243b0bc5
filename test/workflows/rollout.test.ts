/** The workflow on a real Temporal server, with a world in memory behind the activities. */
import { randomUUID } from 'node:crypto';
import { type Client, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DeployInput } from '../../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import {
  FAILURES,
  lockWorkflowId,
  PROGRESS_QUERY,
  rolloutWorkflowId,
  TASK_QUEUE,
} from '../../src/contract/messages.js';
import type { Phase, Progress } from '../../src/contract/progress.js';
import type { DeployStep, NotifyMoment, ResolvedPlan, SecretStep } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld, seen } from '../support/fake-world.js';
import {
  approvalStep,
  checkStep,
  deployStep,
  monitorStep,
  planOf,
  secretStep,
  storyPlan,
} from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let client: Client;
let workers: { stop: () => Promise<void> } | undefined;

beforeAll(async () => {
  env = await startTemporal();
  client = env.client;
});
afterEach(async () => {
  for (const handle of started.splice(0)) {
    // What a failed test left open would keep its locks.
    await handle.terminate('end of the test').catch(() => undefined);
  }
  await workers?.stop();
  workers = undefined;
});
afterAll(async () => env?.teardown());

type Handle = WorkflowHandle;

async function begin(world: FakeWorld, plan: ResolvedPlan): Promise<Handle> {
  workers ??= await startWorkers(env, world.activities);
  return start(plan);
}

const started: Handle[] = [];

async function start(plan: ResolvedPlan): Promise<Handle> {
  const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: true };
  const handle = await client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  started.push(handle);
  return handle;
}

const application = () => `app-${randomUUID().slice(0, 8)}`;

function progressOf(handle: Handle): Promise<Progress> {
  return handle.query<Progress>(PROGRESS_QUERY);
}

/** Waits for a fact in the progress. */
async function until(
  handle: Handle,
  isTrue: (progress: Progress) => boolean,
  timeoutMs = 20_000,
): Promise<Progress> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const progress = await progressOf(handle);
    if (isTrue(progress)) return progress;
    if (Date.now() > deadline)
      throw new Error(`not within ${timeoutMs} ms: ${JSON.stringify(progress, null, 1)}`);
  }
}

const inPhase = (handle: Handle, phase: Phase) => until(handle, (progress) => progress.phase === phase);

async function approve(handle: Handle, by = 'ben'): Promise<void> {
  const { waiting } = await until(handle, ({ waiting }) => waiting?.for === 'approval');
  await handle.executeUpdate('approve', { args: [{ gate: waiting?.gate, digest: waiting?.digest, by }] });
}

const resultOf = (handle: Handle): Promise<RolloutResult> => handle.result() as Promise<RolloutResult>;
const statusesOf = (progress: Progress) =>
  Object.fromEntries(progress.steps.map(({ name, status }) => [name, status]));

describe('forward', () => {
  test('goes through every step in order, is approved, monitored, settled and promoted', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    await approve(handle);
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('promoted');
    expect(new Set(Object.values(statusesOf(progress)))).toEqual(new Set(['succeeded']));
    expect(world.secrets).toEqual(
      new Map([
        ['app/staging', 'app/staging-new'],
        ['app/production', 'app/production-new'],
      ]),
    );
    expect(world.live.get('production')?.id).toBe('production-new');
    expect(progress.approvals).toMatchObject([
      { gate: 'production/approval', answer: 'approved', by: 'ben', verified: false },
    ]);
    const effects = world.calls.filter((call) =>
      /^(put|promote|runLoad|compose|sample|settle|retire)/.test(call),
    );
    // What is settled is settled side by side.
    const settled = effects.splice(-4);
    expect(settled.sort()).toEqual([
      'retireRelease production/deploy',
      'retireRelease staging/deploy',
      'settleSecret production/settings',
      'settleSecret staging/settings',
    ]);
    expect(effects).toEqual([
      'putSecret staging/settings',
      'promoteRelease staging/deploy',
      'runLoadTest staging/loadTest',
      'composeEvidence ',
      'putSecret production/settings',
      'promoteRelease production/deploy',
      'sampleProbes production/monitor',
    ]);
  });

  test('leaves its progress in the memo, readable on the closed run without a worker', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    await approve(handle);
    await resultOf(handle);
    const { memo, searchAttributes } = await handle.describe();
    expect(memo?.progress).toMatchObject({
      outcome: 'promoted',
      application: expect.stringMatching(/^app-/),
    });
    expect(JSON.stringify(memo?.progress).length).toBeLessThanOrEqual(16_000);
    expect(searchAttributes).toMatchObject({ HeadgateOutcome: ['promoted'], HeadgatePhase: ['closed'] });
  });

  test('held: no new step starts, resume goes on', async () => {
    const world = createFakeWorld();
    let release = () => {};
    world.blocked.lookLoadTest = new Promise((resolve) => {
      release = resolve;
    });
    const handle = await begin(world, storyPlan(application()));
    await seen(world, 'lookLoadTest');
    await handle.signal('hold', { by: 'cas' });
    release();
    const held = await inPhase(handle, 'held');
    expect(held.waiting).toMatchObject({
      for: 'hold',
      step: 'production/approval',
      answers: ['resume', 'abort'],
    });
    expect(world.calls).not.toContain('composeEvidence ');
    await handle.signal('resume', {});
    await approve(handle);
    expect((await resultOf(handle)).outcome).toBe('promoted');
  });
});

describe('one way out', () => {
  test('a gate that fails in staging: production is never touched, staging is restored', async () => {
    const world = createFakeWorld();
    world.outcomes.set('staging/loadTest', 'fail');
    const handle = await begin(world, storyPlan(application()));
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('rolledBack');
    expect(progress.stop).toMatchObject({ kind: 'gate', step: 'staging/loadTest' });
    expect(progress.stop?.message).toContain('http_req_failed said fail');
    expect(world.calls.filter((call) => call.includes('production/'))).toEqual([]);
    expect(world.secrets.get('app/staging')).toBe('app/staging-base');
    expect(world.live.get('staging')?.id).toBe('staging-old');
    expect(progress.restoration?.checks.every(({ ok }) => ok)).toBe(true);
  });

  test('a breach in the monitor: traffic first, then the failed release, then state, then the restart', async () => {
    const world = createFakeWorld();
    world.outcomes.set('watched', 'fail');
    const handle = await begin(world, storyPlan(application()));
    await approve(handle);
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('rolledBack');
    expect(progress.stop?.message).toContain('consecutiveFailureLimit 2');
    const back = world.calls.filter((call) => /^(restore|retire|undo|restart)/.test(call));
    expect(back).toEqual([
      'restoreTraffic production/deploy',
      'restoreTraffic staging/deploy',
      'retireRelease production/deploy',
      'retireRelease staging/deploy',
      'undoSecret production/settings',
      'undoSecret staging/settings',
      'restartRelease production/deploy',
      'restartRelease staging/deploy',
    ]);
    expect(statusesOf(progress)).toMatchObject({
      'production/deploy': 'undone',
      'production/settings': 'undone',
      'staging/deploy': 'undone',
      'production/monitor': 'failed',
    });
    expect(progress.restoration?.checks).toContainEqual({
      what: 'production in force: poolLimit.pool.limit',
      expected: '20',
      found: '20',
      ok: true,
    });
  });

  test('abort during the load test is answered at once and restores', async () => {
    const world = createFakeWorld();
    world.blocked.runLoadTest = new Promise(() => {});
    const handle = await begin(world, storyPlan(application()));
    await seen(world, 'runLoadTest');
    await handle.executeUpdate('abort', { args: [{ by: 'cas', reason: 'wrong day' }] });
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('rolledBack');
    expect(progress.stop).toMatchObject({
      kind: 'abort',
      by: 'cas',
      message: 'aborted by cas: wrong day',
      step: 'staging/loadTest',
    });
    expect(world.live.get('staging')?.id).toBe('staging-old');
  });

  test('the Cancel of the UI ends Cancelled, after the undo', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    await until(handle, ({ waiting }) => waiting?.for === 'approval');
    await handle.cancel();
    await expect(resultOf(handle)).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    const { status, memo } = await handle.describe();
    expect(status.name).toBe('CANCELLED');
    expect(memo?.progress).toMatchObject({ outcome: 'rolledBack', stop: { kind: 'cancel' } });
    expect(world.live.get('staging')?.id).toBe('staging-old');
  });

  test('a rejected approval restores staging', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    const { waiting } = await until(handle, ({ waiting }) => waiting?.for === 'approval');
    await handle.executeUpdate('reject', {
      args: [{ gate: waiting?.gate, digest: waiting?.digest, by: 'ben', reason: 'freeze' }],
    });
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.stop?.kind, progress.stop?.message]).toEqual([
      'rolledBack',
      'rejected',
      'rejected by ben: freeze',
    ]);
    expect(progress.approvals).toMatchObject([{ answer: 'rejected', reason: 'freeze' }]);
  });

  test('a step out of retries is undone like everything else', async () => {
    const world = createFakeWorld();
    world.faults.verifySecret = () => ApplicationFailure.nonRetryable('access denied', FAILURES.invalid);
    const handle = await begin(world, storyPlan(application()));
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.stop?.kind, progress.stop?.message]).toEqual([
      'rolledBack',
      'failure',
      'access denied',
    ]);
    expect(world.secrets.get('app/staging')).toBe('app/staging-base');
  });

  test('an abort during the way back changes nothing and says so', async () => {
    const world = createFakeWorld();
    world.outcomes.set('staging/loadTest', 'fail');
    let release = () => {};
    world.blocked.undoSecret = new Promise((resolve) => {
      release = resolve;
    });
    const handle = await begin(world, storyPlan(application()));
    await seen(world, 'undoSecret');
    await handle.signal('abort', { by: 'cas' });
    const { ignored } = await until(handle, (progress) => progress.ignored !== undefined);
    expect(ignored).toMatchObject({
      signal: 'abort',
      why: expect.stringContaining('on its way back already'),
    });
    release();
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.stop?.kind]).toEqual(['rolledBack', 'gate']);
  });

  test('an abort that came before the first workflow task is obeyed before anything is touched', async () => {
    const world = createFakeWorld();
    const plan = storyPlan(application());
    const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: false };
    const handle = await client.workflow.signalWithStart('rollout', {
      workflowId: rolloutWorkflowId(plan.application),
      taskQueue: TASK_QUEUE,
      args: [input],
      signal: 'abort',
      signalArgs: [{ by: 'cas' }],
    });
    workers = await startWorkers(env, world.activities);
    const { outcome } = await resultOf(handle as Handle);
    expect(outcome).toBe('rolledBack');
    expect(world.calls.filter((call) => /^(put|prepare|promote)/.test(call))).toEqual([]);
  });
});

describe('answers', () => {
  test('empty and wrong signals change nothing and say why; a wrong update is refused', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    const { waiting } = await until(handle, ({ waiting }) => waiting?.for === 'approval');
    const wrong: [unknown[], string][] = [
      [[], 'gate is missing'],
      [[null], 'gate is missing'],
      [['approve'], 'expected one JSON object'],
      [[{ gate: waiting?.gate }], 'digest is missing'],
      [[{ gate: waiting?.gate, digest: waiting?.digest }], 'by is missing'],
      [[{ gate: 'staging/approval', digest: waiting?.digest, by: 'ben' }], 'does not wait'],
      [[{ gate: waiting?.gate, digest: '00000000', by: 'ben' }], 'look again'],
    ];
    for (const [args, why] of wrong) {
      const { revision } = await progressOf(handle);
      await handle.signal('approve', ...args);
      const after = await until(handle, (progress) => progress.revision > revision);
      expect(after.ignored?.why).toContain(why);
      expect(after.waiting?.for).toBe('approval');
      await expect(handle.executeUpdate('approve', { args: args as [unknown] })).rejects.toThrow(
        WorkflowUpdateFailedError,
      );
    }
    await approve(handle);
    expect((await resultOf(handle)).outcome).toBe('promoted');
  });

  test('a signal whose payload is no JSON does not hang the workflow', async () => {
    const world = createFakeWorld();
    const handle = await begin(world, storyPlan(application()));
    await until(handle, ({ waiting }) => waiting?.for === 'approval');
    const encode = (text: string) => new TextEncoder().encode(text);
    await client.workflowService.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: handle.workflowId },
      signalName: 'approve',
      input: { payloads: [{ metadata: { encoding: encode('json/plain') }, data: encode('{"gate": ') }] },
      identity: 'test',
    });
    const { ignored } = await until(handle, (progress) => progress.ignored !== undefined);
    expect(ignored?.why).toContain('expected one JSON object');
    await approve(handle);
    expect((await resultOf(handle)).outcome).toBe('promoted');
  });

  test('two approvals are two people', async () => {
    const world = createFakeWorld();
    const steps = [secretStep('production')];
    const plan = planOf(application(), [
      { name: 'production', steps: [approvalStep('production', ['production/settings'], 2), ...steps] },
    ]);
    const handle = await begin(world, plan);
    await approve(handle, 'ben');
    await approve(handle, 'ben');
    expect((await progressOf(handle)).waiting?.for).toBe('approval');
    await approve(handle, 'cas');
    expect((await resultOf(handle)).outcome).toBe('promoted');
  });

  test('drift between approval and effect voids the approval, says what drifted, and asks again', async () => {
    const world = createFakeWorld();
    const plan = planOf(application(), [
      {
        name: 'production',
        steps: [approvalStep('production', ['production/settings']), secretStep('production')],
      },
    ]);
    let release = () => {};
    world.faults.putSecret = (call) =>
      call === 1
        ? ApplicationFailure.nonRetryable('app/production is at v9, looked at base', FAILURES.drift)
        : undefined;
    world.blocked.putSecret = new Promise((resolve) => {
      release = resolve;
    });
    const handle = await begin(world, plan);
    await approve(handle, 'ben');
    const { warnings, approvals } = await until(
      handle,
      (p) => p.waiting?.for === 'approval' && p.approvals.length > 0,
    );
    expect(approvals[0]).toMatchObject({
      answer: 'voided',
      reason: 'app/production is at v9, looked at base',
    });
    expect(warnings.join()).toContain('is void');
    release();
    await approve(handle, 'ben');
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('promoted');
    expect(progress.approvals.map(({ answer }) => answer)).toEqual(['voided', 'approved']);
    expect(progress.compensations).toHaveLength(1);
  });
});

describe('what cannot be restored', () => {
  test('stays open, names item, found, expected and command; retry finishes it', async () => {
    const world = createFakeWorld();
    world.outcomes.set('staging/loadTest', 'fail');
    const conflict = {
      item: 'secret app/staging',
      found: 'v9',
      expected: 'app/staging-base',
      command: 'aws …',
    };
    world.faults.undoSecret = (call) =>
      call === 1
        ? ApplicationFailure.create({
            message: 'changed by others',
            type: FAILURES.conflict,
            nonRetryable: true,
            details: [conflict],
          })
        : undefined;
    const handle = await begin(
      world,
      storyPlan(application(), { notify: [{ kind: 'webhook', config: {}, when: ['rollbackIncomplete'] }] }),
    );
    const stuck = await inPhase(handle, 'stuck');
    expect(stuck.compensations.find(({ step }) => step === 'staging/settings')).toMatchObject({
      status: 'failed',
      ...conflict,
    });
    expect(stuck.waiting).toMatchObject({ for: 'undo', answers: ['retry', 'accept'] });
    expect(world.live.get('staging')?.id).toBe('staging-old');
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    const { outcome } = await resultOf(handle);
    expect(outcome).toBe('rolledBack');
    expect(world.notices.join()).toContain('rollbackIncomplete: not restored: secret app/staging');
    const { runId } = stuck;
    expect(world.notices.join()).toContain(
      `| headgate retry ${stuck.application}/${runId} | headgate accept ${stuck.application}/${runId}`,
    );
  });

  describe('a release that is back before what it starts from', () => {
    /** Its secret cannot be put back at first; the old release is started again meanwhile, by whatever runs it. */
    async function retried(world: FakeWorld, gone: boolean): Promise<{ handle: Handle; calls: number }> {
      world.outcomes.set('staging/loadTest', 'fail');
      world.faults.undoSecret = (call) => {
        if (call > 1) return undefined;
        return ApplicationFailure.nonRetryable('changed by others', FAILURES.conflict);
      };
      world.faults.runLoadTest = () => {
        if (gone) world.candidates.delete('staging');
        return undefined;
      };
      const handle = await begin(world, storyPlan(application()));
      const { compensations } = await inPhase(handle, 'stuck');
      expect(compensations.map(({ step, status }) => `${step} ${status}`)).toEqual([
        'staging/settings failed',
        'staging/deploy undone',
      ]);
      world.inForce.set('staging', 50);
      const calls = world.calls.length;
      await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
      return { handle, calls };
    }

    test.each([
      ['is there', false, 'staging-old'],
      ['was made anew', true, 'staging-old-anew'],
    ])('%s: it is started again by the retry, and what is in force is measured', async (_how, gone, live) => {
      const world = createFakeWorld();
      const { handle, calls } = await retried(world, gone);
      const { outcome, progress } = await resultOf(handle);
      expect(outcome).toBe('rolledBack');
      expect([world.live.get('staging')?.id, world.inForce.get('staging')]).toEqual([live, 20]);
      // Nothing else is repeated.
      expect(
        world.calls
          .slice(calls)
          .filter((call) => /^(restore|collect|retire|undo|restart|recreate|measureI)/.test(call)),
      ).toEqual([
        'undoSecret staging/settings',
        'restartRelease staging/deploy',
        'measureInForce staging/deploy',
      ]);
      expect(progress.restoration?.checks.map(({ ok }) => ok)).not.toContain(false);
    });
  });

  test('every notice says what to type, and names the run; what it lacked is a warning', async () => {
    const world = createFakeWorld();
    world.noticeWarnings = ['issue acme/shop#1 is without its label URGENT'];
    const when: NotifyMoment[] = ['started', 'approval', 'rollback', 'outcome'];
    const handle = await begin(
      world,
      storyPlan(application(), { notify: [{ kind: 'webhook', config: {}, when }] }),
    );
    const {
      waiting,
      application: name,
      runId,
    } = await until(handle, ({ waiting }) => waiting?.for === 'approval');
    await handle.executeUpdate('abort', { args: [{ by: 'cas' }] });
    const { progress } = await resultOf(handle);
    expect(progress.warnings).toEqual(world.noticeWarnings);
    const rollout = `${name}/${runId}`;
    const gate = `${waiting?.gate} --digest ${waiting?.digest}`;
    expect(world.notices.map((notice) => notice.split(' | ').slice(1))).toEqual([
      [`headgate watch ${rollout}`],
      [`headgate approve ${rollout} ${gate}`, `headgate reject ${rollout} ${gate}`],
      [`headgate watch ${rollout}`],
      [`headgate report ${rollout}`],
    ]);
  });

  test('accept closes it as failed, with what is left', async () => {
    const world = createFakeWorld();
    world.outcomes.set('staging/loadTest', 'fail');
    world.faults.undoSecret = () => ApplicationFailure.nonRetryable('changed by others', FAILURES.conflict);
    const handle = await begin(world, storyPlan(application()));
    await inPhase(handle, 'stuck');
    await handle.executeUpdate('accept', { args: [{ by: 'cas' }] });
    await expect(resultOf(handle)).rejects.toMatchObject({ cause: { type: FAILURES.incomplete } });
    const { memo } = await handle.describe();
    expect(memo?.progress).toMatchObject({
      outcome: 'rollbackIncomplete',
      acceptedBy: 'cas',
      left: ['staging/settings'],
    });
  });

  test('a release that reads what is kept need not have the old configuration in force', async () => {
    const world = createFakeWorld();
    world.outcomes.set('held', 'fail');
    // What is live is started again by itself, and reads what is there.
    world.faults.retireRelease = () => {
      world.inForce.set('production', 50);
      return undefined;
    };
    const secret: SecretStep = { ...secretStep('production'), onRollback: 'keep' };
    const steps = [secret, deployStep('production'), checkStep('production')];
    const plan = planOf(application(), [{ name: 'production', steps }]);
    const { outcome, progress } = await resultOf(await begin(world, plan));
    expect([outcome, progress.left]).toMatchObject([
      'rolledBack',
      [expect.stringContaining('production/settings is kept')],
    ]);
    expect(progress.restoration?.checks.at(-1)).toEqual({
      what: 'production in force: poolLimit.pool.limit',
      expected: '20, or what production/settings has set and is kept',
      found: '50',
      ok: true,
    });
  });

  test('an opaque target deploys the old version anew: that one is started again from what is restored, and is restored', async () => {
    const world = createFakeWorld();
    world.outcomes.set('held', 'fail');
    const { activities } = world;
    const restarted: string[] = [];
    const deployed = (version: string, id: string) => ({ id, version, url: 'http://production.invalid' });
    const found = async (step: DeployStep) => {
      const { found, ...rest } = await activities.lookRelease({ step } as DeployInput);
      return { ...rest, found: { ...found, staged: false } };
    };
    world.activities = {
      ...activities,
      lookRelease: ({ step }) => found(step),
      promoteRelease: async ({ step, context }) => {
        const release = deployed(context.version, 'second');
        world.live.set(step.stage, release);
        world.inForce.set(step.stage, 50);
        return release;
      },
      restoreTraffic: async ({ step, base }) => {
        // It reads the secret, which is put back only later.
        const release = deployed(base.live.version, 'third');
        world.live.set(step.stage, release);
        return { summary: 'deployed again', changed: true, release };
      },
      restartRelease: async ({ step, release }) => {
        restarted.push(release.id);
        if (release.id === world.live.get(step.stage)?.id) world.inForce.set(step.stage, 20);
        return { summary: 'started again', changed: true };
      },
    };
    const steps = [secretStep('production'), deployStep('production', 'immediate'), checkStep('production')];
    const handle = await begin(world, planOf(application(), [{ name: 'production', steps }]));
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, restarted]).toEqual(['rolledBack', ['third']]);
    expect(progress.restoration?.checks.map(({ found: seen, ok }) => [seen, ok])).toEqual(
      expect.arrayContaining([
        ['third (v1.0.0)', true],
        ['20', true],
      ]),
    );
  });

  test('what a person has brought back by hand is restored, whatever the undo had made anew', async () => {
    const world = createFakeWorld();
    world.outcomes.set('held', 'fail');
    const { activities } = world;
    const old = { id: 'production-old', version: 'v1.0.0', url: 'http://production-old.invalid' };
    let undone = 0;
    world.activities = {
      ...activities,
      restoreTraffic: async ({ step }) => {
        undone += 1;
        const release = undone === 1 ? { ...old, id: 'third' } : undefined;
        world.live.set(step.stage, release ?? old);
        return { summary: 'deployed again', changed: true, ...(release ? { release } : {}) };
      },
    };
    world.faults.restartRelease = (call) =>
      call === 1 ? ApplicationFailure.nonRetryable('will not start', FAILURES.invalid) : undefined;
    const steps = [secretStep('production'), deployStep('production'), checkStep('production')];
    const handle = await begin(world, planOf(application(), [{ name: 'production', steps }]));
    await inPhase(handle, 'stuck');
    world.live.set('production', old);
    world.inForce.set('production', 20);
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    expect(await resultOf(handle)).toMatchObject({ outcome: 'rolledBack' });
  });

  test('a release whose configuration in force is not the old one is not restored', async () => {
    const world = createFakeWorld();
    world.outcomes.set('watched', 'fail');
    world.faults.restartRelease = () => {
      world.inForce.set('production', 50);
      return ApplicationFailure.nonRetryable('will not start', FAILURES.invalid);
    };
    const handle = await begin(world, storyPlan(application()));
    await approve(handle);
    const { compensations } = await inPhase(handle, 'stuck');
    expect(compensations.find(({ step }) => step === 'production/deploy')).toMatchObject({
      status: 'failed',
      error: 'will not start',
    });
    await handle.signal('accept', { by: 'cas' });
    await expect(resultOf(handle)).rejects.toThrow();
  });
});

describe('monitor', () => {
  test('errors are no evidence: it asks, retry watches again, skip lets it pass', async () => {
    const world = createFakeWorld();
    world.outcomes.set('watched', 'error');
    const plan = planOf(application(), [
      {
        name: 'production',
        steps: [secretStep('production'), deployStep('production'), monitorStep('production', 300)],
      },
    ]);
    const handle = await begin(world, plan);
    const { waiting } = await until(handle, (progress) => progress.waiting?.for === 'decision');
    expect(waiting?.message).toContain('watched has 0 of 3 samples (0 %, needed 95 %)');
    await expect(handle.executeUpdate('accept', { args: [{}] })).rejects.toThrow(WorkflowUpdateFailedError);
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    await until(
      handle,
      (progress) =>
        progress.waiting?.for === 'decision' &&
        world.calls.filter((c) => c.startsWith('sample')).length === 2,
    );
    await handle.executeUpdate('skip', {
      args: [{ step: 'monitor', by: 'cas', reason: 'metrics are down' }],
    });
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('promoted');
    expect(progress.steps.at(-1)?.summary).toContain('let pass by cas: metrics are down');
  });
});

describe('one at a time', () => {
  test('a taken lock refuses the rollout, with who holds it, and touches nothing', async () => {
    const world = createFakeWorld();
    workers = await startWorkers(env, world.activities);
    const first = await start(storyPlan(application()));
    await until(first, ({ waiting }) => waiting?.for === 'approval');
    world.lockHolder = { application: 'other', runId: 'r', startedBy: 'ana', since: 'then' };
    const before = world.calls.length;
    const second = await start(storyPlan(application()));
    const { outcome, progress } = await resultOf(second);
    expect(outcome).toBe('refused');
    expect(progress.stop?.message).toContain('held by rollout other/r, started by ana at then');
    expect(
      world.calls
        .slice(before)
        .filter((call) => !call.startsWith('describeLock') && !call.startsWith('writeReport')),
    ).toEqual([]);
    await first.signal('abort', {});
    await resultOf(first);
    const lock = await client.workflow.getHandle(lockWorkflowId('secret/us-east-1/app/staging')).describe();
    expect(lock.status.name).not.toBe('RUNNING');
    const third = await start(storyPlan(application()));
    await approve(third);
    expect((await resultOf(third)).outcome).toBe('promoted');
  });
});
