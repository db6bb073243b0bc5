/** What takes hours, on Temporal's time-skipping server. One clock for all: one test at a time. */
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SampleInput } from '../../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedPlan } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import { approvalStep, deployStep, monitorStep, planOf, secretStep } from '../support/plans.js';
import { findTimeSkipping, plainClient, startTimeSkipping, startWorkers } from '../support/temporal.js';

const server = findTimeSkipping();
if (!server && process.env.CI) throw new Error('HEADGATE_TEST_TIMESKIP names no time-skipping server');

const HOUR_MS = 3_600_000;

describe.skipIf(!server)('with skipped time', () => {
  let env: TestWorkflowEnvironment;
  let client: Client;

  beforeAll(async () => {
    env = await startTimeSkipping(server ?? '');
    client = plainClient(env);
  });
  afterAll(async () => env?.teardown());

  /** Runs a rollout until it closes, moving the clock in steps and looking at the progress at each. */
  async function carryOut(
    world: FakeWorld,
    plan: ResolvedPlan,
    step: string,
    onStep: (progress: Progress, handle: WorkflowHandle) => Promise<void> = async () => {},
  ): Promise<RolloutResult> {
    const workers = await startWorkers(env, world.activities);
    try {
      const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: false };
      const handle = await client.workflow.start('rollout', {
        workflowId: rolloutWorkflowId(plan.application),
        taskQueue: TASK_QUEUE,
        args: [input],
      });
      for (let steps = 0; steps < 60; steps += 1) {
        const { status } = await handle.describe();
        if (status.name !== 'RUNNING') break;
        const progress = await handle.query<Progress>(PROGRESS_QUERY);
        await onStep(progress, handle);
        if (
          progress.waiting ||
          progress.steps.some(({ kind, status }) => kind === 'monitor' && status === 'running')
        ) {
          await env.sleep(step);
        }
      }
      return (await handle.result()) as RolloutResult;
    } finally {
      await workers.stop();
    }
  }

  const application = () => `app-${randomUUID().slice(0, 8)}`;

  test('an approval that nobody answers times out after 24 h, and everything is restored', async () => {
    const world = createFakeWorld();
    const steps = [secretStep('staging'), approvalStep('staging', ['staging/deploy']), deployStep('staging')];
    const plan = planOf(application(), [{ name: 'staging', steps }], { deadlineMs: 48 * HOUR_MS });
    const { outcome, progress } = await carryOut(world, plan, '6h');
    expect([outcome, progress.stop?.kind]).toEqual(['rolledBack', 'timeout']);
    const waited = Date.parse(progress.stop?.at ?? '') - Date.parse(progress.startedAt);
    expect(Math.round(waited / HOUR_MS)).toBe(24);
    expect(world.secrets.get('app/staging')).toBe('app/staging-base');
  });

  test('a deadline of 12 h ends a rollout that waits, by the way back', async () => {
    const world = createFakeWorld();
    const steps = [secretStep('staging'), approvalStep('staging', ['staging/deploy']), deployStep('staging')];
    const plan = planOf(application(), [{ name: 'staging', steps }]);
    const { outcome, progress } = await carryOut(world, plan, '4h');
    expect([outcome, progress.stop?.kind]).toEqual(['rolledBack', 'deadline']);
    const waited = Date.parse(progress.stop?.at ?? '') - Date.parse(progress.startedAt);
    expect(Math.round(waited / HOUR_MS)).toBe(12);
    expect(progress.stop?.message).toContain('720 min');
  });

  test('a monitor of 60 minutes lasts 60 minutes, in windows of five', async () => {
    const world = createFakeWorld();
    const windows: SampleInput[] = [];
    const { activities } = world;
    world.activities = {
      ...activities,
      sampleProbes(input) {
        windows.push(input);
        return activities.sampleProbes(input);
      },
    };
    const steps = [secretStep('staging'), deployStep('staging'), monitorStep('staging', HOUR_MS)];
    const plan = planOf(application(), [{ name: 'staging', steps }]);
    const { outcome, progress } = await carryOut(world, plan, '10m');
    expect(outcome).toBe('promoted');
    const monitored = progress.steps.find(({ kind }) => kind === 'monitor');
    const lasted = Date.parse(monitored?.endedAt ?? '') - Date.parse(monitored?.startedAt ?? '');
    expect(Math.round(lasted / 60_000)).toBe(60);
    expect(windows).toHaveLength(12);
    expect(windows.map(({ fences, isLast }) => [fences?.length, isLast])).toEqual([
      ...Array.from({ length: 11 }, () => [2, false]),
      [2, true],
    ]);
    // Counted on, and said once: what is in the history twice is twice as long.
    const tallies = windows.map(({ state }) => state?.tallies.watched);
    expect(tallies.slice(1).every((tally) => tally?.last?.outcome === 'pass' && tally.taken > 0)).toBe(true);
    expect(JSON.stringify(tallies)).not.toContain('said pass');
    expect(monitored?.measurements?.[0]?.message).toBe('watched said pass');
  });

  test('a change outside its window waits for it', async () => {
    const world = createFakeWorld();
    let asked = 0;
    const measureWindow = async () => (asked++ === 0 ? 8 * HOUR_MS : 0);
    world.activities = { ...world.activities, measureWindow };
    const window = {
      days: [1],
      fromMinute: 480,
      toMinute: 900,
      timeZone: 'America/New_York',
      text: 'Mon 08:00-15:00',
    };
    const plan = planOf(application(), [{ name: 'production', window, steps: [secretStep('production')] }]);
    const seen: (string | undefined)[] = [];
    const { outcome, progress } = await carryOut(world, plan, '2h', async ({ waiting }) => {
      seen.push(waiting?.for);
    });
    expect(outcome).toBe('promoted');
    expect(seen).toContain('window');
    const [step] = progress.steps;
    expect(Date.parse(step?.startedAt ?? '') - Date.parse(progress.startedAt)).toBeGreaterThanOrEqual(
      8 * HOUR_MS,
    );
  });
});
