/** Every kind of step on the way there and on the way back, with a world in memory. On a real server. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { FAILURES, PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedStep } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import {
  checkStep,
  configStep,
  deployStep,
  gitStep,
  infraStep,
  planOf,
  rebootStep,
  runStep,
  secretStep,
} from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let world: FakeWorld;
let workers: { stop: () => Promise<void> };

beforeAll(async () => {
  env = await startTemporal();
});
beforeEach(async () => {
  world = createFakeWorld();
  workers = await startWorkers(env, world.activities);
});
afterEach(() => workers.stop());
afterAll(async () => env?.teardown());

const CHECK = checkStep('production');

async function start(steps: ResolvedStep[]) {
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps }]);
  const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: false };
  return env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
}

async function carryOut(...steps: ResolvedStep[]): Promise<Progress> {
  const { progress } = (await (await start(steps)).result()) as RolloutResult;
  return progress;
}

const ALL: ResolvedStep[] = [
  configStep('production'),
  infraStep('production'),
  rebootStep('production'),
  gitStep('production'),
  runStep('production', ['./migrated']),
  secretStep('production'),
  deployStep('production'),
  CHECK,
];

describe('all kinds', () => {
  test('there: each acts and is verified, in the order of the plan', async () => {
    const progress = await carryOut(...ALL);
    expect(progress.outcome).toBe('promoted');
    const effects = world.calls.filter((call) =>
      /^(writeC|verifyC|apply|verifyI|reboot|push|verifyG|runC|put|promote)/.test(call),
    );
    expect(effects).toEqual([
      'writeConfig production/config',
      'verifyConfig production/config',
      'applyInfra production/infra',
      'verifyInfra production/infra',
      'rebootInstance production/reboot',
      'pushGit production/git',
      'verifyGit production/git',
      'runCommand production/run',
      'verifyCommand production/run',
      'putSecret production/settings',
      'promoteRelease production/deploy',
    ]);
    expect(progress.steps.find(({ kind }) => kind === 'reboot')?.summary).toBe(
      'production-db was started again, out for 1.2 s',
    );
    expect(progress.changed).toContainEqual({
      what: 'production poolLimit.pool.limit',
      before: '20',
      after: '50',
    });
  });

  test('back: in reverse, measured; what cannot be taken back is kept, by name', async () => {
    world.outcomes.set('held', 'fail');
    const progress = await carryOut(...ALL);
    expect(progress.outcome).toBe('rolledBack');
    const back = world.calls.filter((call) => /^(restoreT|collect|retire|undo|restart)/.test(call));
    expect(back).toEqual([
      'restoreTraffic production/deploy',
      'collectDiagnostics production/deploy',
      'retireRelease production/deploy',
      'undoSecret production/settings',
      'undoCommand production/run',
      'undoInfra production/infra',
      'undoConfig production/config',
      'restartRelease production/deploy',
    ]);
    expect(Object.fromEntries(progress.steps.map(({ kind, status }) => [kind, status]))).toMatchObject({
      config: 'undone',
      infra: 'undone',
      reboot: 'kept',
      git: 'kept',
      run: 'undone',
      secret: 'undone',
      deploy: 'undone',
    });
    expect(progress.left).toEqual([
      'production/git is kept: tag v1.0.1 at origin',
      'production/reboot is kept: the restart of production-db',
    ]);
    const checks = Object.fromEntries(
      (progress.restoration?.checks ?? []).map((each) => [each.what, each.ok]),
    );
    expect(checks).toMatchObject({
      'file /production/.env': true,
      'state of terraform production/terraform': true,
      'production/run': true,
    });
    expect(progress.diagnostics).toMatchObject([{ stage: 'production', release: 'production-new' }]);
    // Restored for good: no version is kept by a label of ours.
    expect(world.calls.at(-2)).toBe('settleSecret production/settings');
  });

  test('what could not be secured only warns', async () => {
    world.outcomes.set('held', 'fail');
    world.faults.collectDiagnostics = () => ApplicationFailure.nonRetryable('disk full', FAILURES.invalid);
    const progress = await carryOut(deployStep('production'), CHECK);
    expect(progress.outcome).toBe('rolledBack');
    expect(progress.warnings).toContainEqual(expect.stringContaining('disk full'));
  });
});

test('what the step never got to change is not put back, and not measured as ours', async () => {
  world.faults.putSecret = () => {
    // Somebody else was first.
    world.secrets.set('app/production', 'theirs');
    return ApplicationFailure.nonRetryable('changed by someone else', FAILURES.drift);
  };
  const { activities } = world;
  await workers.stop();
  workers = await startWorkers(env, {
    ...activities,
    undoSecret: async (input) => {
      await activities.undoSecret({ ...input, base: { ...input.base, versionId: 'theirs' } });
      return { summary: 'never changed by this step', changed: false, untouched: true };
    },
  });
  const progress = await carryOut(secretStep('production'), CHECK);
  expect(progress).toMatchObject({ outcome: 'rolledBack', stop: { message: 'changed by someone else' } });
  expect(progress.compensations).toMatchObject([{ status: 'notNeeded' }]);
  expect(world.secrets.get('app/production')).toBe('theirs');
});

describe('a program whose worker was lost', () => {
  const lost = () => ApplicationFailure.create({ type: 'WorkerShutdown', message: 'gone' });

  test('its verify passes: it is done, and not run again', async () => {
    world.faults.runCommand = (call) => (call === 1 ? lost() : undefined);
    const progress = await carryOut(runStep('production', ['./migrated']));
    expect(progress.outcome).toBe('promoted');
    expect(world.calls.filter((call) => call.startsWith('runCommand'))).toHaveLength(1);
    expect(progress.steps[0]?.summary).toContain('its verify says that it is done');
  });

  test('its verify fails: it is run again', async () => {
    world.faults.runCommand = (call) => (call === 1 ? lost() : undefined);
    world.outcomes.set('production/run', 'fail');
    const { activities } = world;
    await workers.stop();
    workers = await startWorkers(env, {
      ...activities,
      runCommand: async (input) => {
        const effect = await activities.runCommand(input);
        world.outcomes.set('production/run', 'pass');
        return effect;
      },
    });
    expect((await carryOut(runStep('production', ['./migrated']))).outcome).toBe('promoted');
    expect(world.calls.filter((call) => call.startsWith('runCommand'))).toHaveLength(2);
  });

  test('without a verify a person is asked; nothing is repeated by itself', async () => {
    world.faults.runCommand = (call) => (call === 1 ? lost() : undefined);
    const handle = await start([runStep('production')]);
    const deadline = Date.now() + 20_000;
    let progress = await handle.query<Progress>(PROGRESS_QUERY);
    while (progress.waiting?.for !== 'decision') {
      if (Date.now() > deadline) throw new Error(JSON.stringify(progress));
      progress = await handle.query<Progress>(PROGRESS_QUERY);
    }
    expect(progress.waiting.answers).toEqual(['retry', 'skip', 'abort']);
    expect(world.calls.filter((call) => call.startsWith('runCommand'))).toHaveLength(1);
    await handle.executeUpdate('skip', { args: [{ step: 'production/run', by: 'cas', reason: 'I looked' }] });
    const result = (await handle.result()) as RolloutResult;
    expect(result.outcome).toBe('promoted');
    expect(result.progress.steps[0]?.summary).toContain('taken as done by cas: I looked');
  });

  test('that exits other than 0 is no unknown: it rolls back', async () => {
    world.faults.runCommand = () => ApplicationFailure.nonRetryable('exited with 3', FAILURES.invalid);
    const progress = await carryOut(runStep('production'));
    expect(progress).toMatchObject({
      outcome: 'rolledBack',
      stop: { kind: 'failure', message: 'exited with 3' },
    });
    expect(world.calls).toContain('undoCommand production/run');
  });
});
