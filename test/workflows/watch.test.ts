/** Watching from outside while workers come and go: what was shown once is never followed by something older. */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Headgate, type RolloutState } from '../../src/client.js';
import { createFakeWorld, seen } from '../support/fake-world.js';
import { planOf, runStep, secretStep } from '../support/plans.js';
import { findBackwards } from '../support/progress-laws.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let headgate: Headgate;
const before = { ...process.env };
beforeAll(async () => {
  env = await startTemporal();
  process.env.TEMPORAL_ADDRESS = env.address;
  headgate = await Headgate.connect();
});
afterAll(async () => {
  process.env = before;
  await headgate?.close();
  await env?.teardown();
});

test('a worker that goes away in the middle of a step: the memo of the step before is older, and is not shown', async () => {
  const world = createFakeWorld();
  let release = () => {};
  world.blocked.runCommand = new Promise((resolve) => {
    release = resolve;
  });
  let workers = await startWorkers(env, world.activities);
  const application = `app-${randomUUID().slice(0, 8)}`;
  await headgate.start(
    planOf(application, [
      { name: 'production', steps: [secretStep('production'), runStep('production', ['./migrated'])] },
    ]),
    'ana',
  );
  await seen(world, 'runCommand');
  const states: RolloutState[] = [];
  const over = new AbortController();
  const watching = (async () => {
    for await (const state of headgate.watch(application, over.signal)) states.push(state);
  })();
  const shown = (isTrue: (state: RolloutState) => boolean) =>
    expect.poll(() => states.some(isTrue), { timeout: 30_000 }).toBe(true);
  await shown(({ source, progress }) => source === 'workflow' && progress?.steps[1]?.status === 'running');
  await workers.stop();
  await shown(({ source }) => source === 'memo');
  release();
  workers = await startWorkers(env, world.activities);
  await shown(({ temporalStatus }) => temporalStatus !== 'RUNNING');
  over.abort();
  await watching;
  await workers.stop();
  const sights = states.flatMap(({ progress }) => progress ?? []);
  expect(sights.length).toBeGreaterThan(2);
  sights.slice(1).forEach((after, index) => {
    const earlier = sights[index];
    expect(earlier && findBackwards(earlier, after)).toEqual([]);
  });
  expect(sights.at(-1)?.outcome).toBe('promoted');
}, 90_000);
