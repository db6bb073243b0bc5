/** What a rollout costs beside a bare workflow that runs as many activities. */
import { performance } from 'node:perf_hooks';
import type { WorkflowHandle } from '@temporalio/client';
import { LONG_TASK_QUEUE } from '../src/contract/messages.js';
import type { ResolvedPlan, SecretStep } from '../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld } from '../test/support/fake-world.js';
import { planOf, secretStep } from '../test/support/plans.js';
import type { BareActivity } from './bare-contract.js';
import { loadBundles, type Pair, startPair } from './pair.js';
import { comparePairs, type Result } from './row.js';
import type { Session } from './session.js';

const STEPS = 12;
const WARM_UP = 3;
const HIGHEST_RATIO = 1.3;

/** @returns one row in ms, from the start of a workflow to its result */
export async function measureOverhead(session: Session): Promise<Result> {
  const world = createFakeWorld();
  const pair = await startPair(session, await loadBundles(), world.activities);
  const runs = session.runs(20, 3);
  session.log(`overhead: ${STEPS} steps that do nothing beside as many activities, ${runs} pairs`);
  const first = await pair.rollOut(planOfNothing('first'));
  const activities = await readActivities(first);
  const pairs: [number, number][] = [];
  for (let run = -WARM_UP; run < runs; run += 1) {
    const measured = await alternate(pair, world, activities, run);
    if (run >= 0) pairs.push(measured);
  }
  await pair.end();
  const compared = comparePairs(pairs, `a bare workflow of ${activities.length} activities`);
  return {
    rows: [
      {
        what: `overhead: ${STEPS} no-op steps, ${activities.length} activities`,
        unit: 'ms',
        ...compared,
        reach: { text: `≤ ${HIGHEST_RATIO} ×`, reached: compared.ratio <= HIGHEST_RATIO },
      },
    ],
  };
}

/** @returns ms of the rollout and of the bare workflow; which of them comes first changes from run to run */
async function alternate(
  pair: Pair,
  world: FakeWorld,
  activities: BareActivity[],
  run: number,
): Promise<[number, number]> {
  world.calls.length = 0;
  const rollOut = () => time(() => pair.rollOut(planOfNothing(`run-${run}`)));
  const runBare = () => time(() => pair.runBare(activities));
  if (run % 2 === 0) return [await rollOut(), await runBare()];
  const bareMs = await runBare();
  return [await rollOut(), bareMs];
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Steps of the fake world that change nothing: each looks, acts, reads back and settles. */
export function planOfNothing(name: string): ResolvedPlan {
  const steps = Array.from({ length: STEPS }, (_, index): SecretStep => {
    const step = secretStep('production');
    return { ...step, id: `settings-${index + 1}`, name: `production/settings-${index + 1}` };
  });
  return planOf(`bench-${name}`, [{ name: 'production', steps }]);
}

/** The activities of a closed workflow, in their order, by queue. */
export async function readActivities(handle: WorkflowHandle): Promise<BareActivity[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }): BareActivity[] => {
    if (!scheduled) return [];
    return [scheduled.taskQueue?.name === LONG_TASK_QUEUE ? 'long' : 'short'];
  });
}
