/** Taking back what another run has left: terminated in the middle, or promoted and regretted. On a real server. */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Headgate, type RolloutName, type RolloutState } from '../../src/client.js';
import { rolloutWorkflowId } from '../../src/contract/messages.js';
import type { ResolvedPlan } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld, seen } from '../support/fake-world.js';
import { planOf, storyPlan } from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let headgate: Headgate;
let world: FakeWorld;
let workers: { stop: () => Promise<void> };
const before = { ...process.env };

beforeAll(async () => {
  env = await startTemporal();
  process.env.TEMPORAL_ADDRESS = env.address;
  headgate = await Headgate.connect();
});
beforeEach(async () => {
  world = createFakeWorld();
  workers = await startWorkers(env, world.activities);
});
afterEach(async () => {
  for (const { application, runId } of begun.splice(0)) {
    const handle = env.client.workflow.getHandle(rolloutWorkflowId(application), runId);
    await handle.terminate('end of the test').catch(() => undefined);
  }
  await workers.stop();
});
afterAll(async () => {
  process.env = before;
  await headgate?.close();
  await env?.teardown();
});

const begun: RolloutName[] = [];

async function start(plan: ResolvedPlan): Promise<RolloutName> {
  const name = await headgate.start(plan, 'ana');
  begun.push(name);
  return name;
}

async function undo({ application, runId }: RolloutName): Promise<RolloutName> {
  const name = await headgate.undo(`${application}/${runId}`, 'cas', 'it was not the pool');
  begun.push(name);
  return name;
}

const nameOf = ({ application, runId }: RolloutName) => `${application}/${runId}`;
const someApplication = () => `app-${randomUUID().slice(0, 8)}`;

async function until(rollout: RolloutName, isTrue: (state: RolloutState) => boolean): Promise<RolloutState> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const state = await headgate.describe(nameOf(rollout));
    if (isTrue(state)) return state;
    if (Date.now() > deadline) throw new Error(`not in time: ${JSON.stringify(state, null, 1)}`);
  }
}

const untilClosed = (rollout: RolloutName) =>
  until(rollout, ({ temporalStatus }) => temporalStatus !== 'RUNNING');

async function approve(rollout: RolloutName): Promise<void> {
  const { progress } = await until(rollout, (state) => state.progress?.waiting?.for === 'approval');
  const { gate = '', digest = '' } = progress?.waiting ?? {};
  await headgate.send(nameOf(rollout), 'approve', { gate, digest, by: 'ben' });
}

async function terminate({ application, runId }: RolloutName): Promise<void> {
  await env.client.workflow.getHandle(rolloutWorkflowId(application), runId).terminate('by mistake');
}

/** In the middle of its monitor: everything has been changed, nothing settled. */
async function terminatedInMonitor(): Promise<RolloutName> {
  world.blocked.sampleProbes = new Promise(() => {});
  const rollout = await start(storyPlan(someApplication()));
  await approve(rollout);
  await seen(world, 'sampleProbes');
  await terminate(rollout);
  return rollout;
}

const changesBack = () =>
  world.calls.filter((call) => /^(restore|collect|retire|undo|restart|recreate)/.test(call));

describe('a run that was terminated in the middle', () => {
  test('start is refused and says what to do; undo takes all of it back, measured; then start goes on', async () => {
    const rollout = await terminatedInMonitor();
    const again = storyPlan(rollout.application);
    await expect(headgate.start(again, 'ana')).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(
        /ended in the middle \(terminated\).*staging\/settings.*headgate undo app-.*headgate accept app-/s,
      ),
    });
    const back = await undo(rollout);
    const { progress } = await untilClosed(back);
    expect(progress).toMatchObject({
      outcome: 'rolledBack',
      undoes: nameOf(rollout),
      stop: { kind: 'undo', by: 'cas', message: 'taken back by cas: it was not the pool' },
    });
    expect(progress?.restoration?.checks.map(({ ok }) => ok)).not.toContain(false);
    expect(changesBack()).toEqual([
      'restoreTraffic production/deploy',
      'restoreTraffic staging/deploy',
      'collectDiagnostics production/deploy',
      'collectDiagnostics staging/deploy',
      'retireRelease production/deploy',
      'retireRelease staging/deploy',
      'undoSecret production/settings',
      'undoSecret staging/settings',
      'restartRelease production/deploy',
      'restartRelease staging/deploy',
    ]);
    expect([...world.secrets.values()]).toEqual(['app/staging-base', 'app/production-base']);
    expect(world.live.get('production')?.id).toBe('production-old');
    world.blocked.sampleProbes = undefined;
    await start(again);
  });

  test('undo works with the names and tokens of the run that it takes back', async () => {
    const rollout = await terminatedInMonitor();
    const contexts: string[] = [];
    const { activities } = world;
    await workers.stop();
    workers = await startWorkers(env, {
      ...activities,
      undoSecret: (input) => {
        contexts.push(input.context.runId);
        return activities.undoSecret(input);
      },
    });
    await untilClosed(await undo(rollout));
    expect(new Set(contexts)).toEqual(new Set([rollout.runId]));
  });

  test('accept leaves it as it is, by name, and start goes on', async () => {
    const rollout = await terminatedInMonitor();
    await headgate.send(rollout.application, 'accept', { by: 'cas', reason: 'done by hand' });
    const latest = await headgate.describe(rollout.application);
    begun.push(latest);
    const { progress, temporalStatus } = await untilClosed(latest);
    expect(temporalStatus).toBe('FAILED');
    expect(progress).toMatchObject({
      outcome: 'rollbackIncomplete',
      acceptedBy: 'cas',
      undoes: nameOf(rollout),
    });
    expect(progress?.left).toHaveLength(4);
    expect(changesBack()).toEqual([]);
    await start(storyPlan(rollout.application));
  });

  test('before anything was changed: nothing to take back, start is not refused', async () => {
    world.blocked.lookSecret = new Promise(() => {});
    const rollout = await start(storyPlan(someApplication()));
    await seen(world, 'lookSecret');
    await terminate(rollout);
    await expect(undo(rollout)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('has left nothing'),
    });
    await start(storyPlan(rollout.application));
  });

  test('its undo is terminated too: the undo of that one finishes', async () => {
    const rollout = await terminatedInMonitor();
    let release = () => {};
    world.blocked.undoSecret = new Promise((resolve) => {
      release = resolve;
    });
    const first = await undo(rollout);
    await seen(world, 'undoSecret');
    await terminate(first);
    release();
    const second = await undo(first);
    const { progress } = await untilClosed(second);
    expect(progress).toMatchObject({ outcome: 'rolledBack', undoes: nameOf(rollout) });
    expect([...world.secrets.values()]).toEqual(['app/staging-base', 'app/production-base']);
  });
});

describe('a run that was promoted and is regretted', () => {
  test('state first, then the version of before is made anew from it, and takes the traffic', async () => {
    const rollout = await start(storyPlan(someApplication()));
    await approve(rollout);
    expect((await untilClosed(rollout)).progress?.outcome).toBe('promoted');
    world.calls.length = 0;
    const { progress } = await untilClosed(await undo(rollout));
    expect(progress?.outcome).toBe('rolledBack');
    const back = changesBack();
    expect(back.indexOf('undoSecret production/settings')).toBeLessThan(
      back.indexOf('recreateRelease production/deploy'),
    );
    expect(back).not.toContain('retireRelease production/deploy');
    expect(world.live.get('production')).toMatchObject({ id: 'production-old-anew', version: 'v1.0.0' });
    expect(world.secrets.get('app/production')).toBe('app/production-base');
    expect(progress?.restoration?.checks).toContainEqual({
      what: 'production/deploy live release',
      expected: 'production-old-anew (v1.0.0)',
      found: 'production-old-anew (v1.0.0)',
      ok: true,
    });
    await expect(undo(rollout)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('taken back already'),
    });
  });

  test('a later run stands on it: that one first', async () => {
    const rollout = await start(storyPlan(someApplication()));
    await approve(rollout);
    await untilClosed(rollout);
    const later = await start(storyPlan(rollout.application, { version: 'v1.0.2' }));
    await approve(later);
    await untilClosed(later);
    await expect(undo(rollout)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(`${nameOf(later)} came after`),
    });
  });
});

test('what is open is aborted, not undone; what was rolled back has left nothing', async () => {
  world.outcomes.set('staging/loadTest', 'fail');
  const rollout = await start(storyPlan(someApplication()));
  expect((await untilClosed(rollout)).progress?.outcome).toBe('rolledBack');
  await expect(undo(rollout)).rejects.toMatchObject({ message: expect.stringContaining('has left nothing') });
  world.outcomes.delete('staging/loadTest');
  const open = await start(storyPlan(rollout.application));
  await until(open, (state) => state.progress?.waiting?.for === 'approval');
  await expect(undo(open)).rejects.toMatchObject({ message: expect.stringContaining('headgate abort') });
  await headgate.send(open.application, 'abort', { by: 'cas' });
  await untilClosed(open);
});

test('a plan that changes nothing leaves no deeds', async () => {
  const rollout = await start(planOf(someApplication(), [{ name: 'production', steps: [] }]));
  const { deeds } = await untilClosed(rollout);
  expect(deeds).toBeUndefined();
});
