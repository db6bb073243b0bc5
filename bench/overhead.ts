/** What a rollout costs beside a bare workflow that runs as many activities. */
import { performance } from 'node:perf_hooks';
import { createFakeWorld } from '../test/support/fake-world.js';
import type { BareActivity } from './bare-contract.js';
import { planOfNothing, readActivities, STEPS } from './no-op-plan.js';
import { loadBundles, type Pair, startPair } from './pair.js';
import { comparePairs, type Result, type Row } from './row.js';
import type { Session } from './session.js';

const WARM_UP = 3;
const HIGHEST_RATIO = 1.3;
/** Locks are what differs: one child workflow per resource. */
const RESOURCES = [1, STEPS];

/** @returns rows in ms, from the start of a workflow to its result */
export async function measureOverhead(session: Session): Promise<Result> {
  const world = createFakeWorld();
  const pair = await startPair(session, await loadBundles(), world.activities);
  const runs = session.runs(20, 3);
  session.log(`overhead: ${STEPS} steps that do nothing beside as many activities, ${runs} pairs each`);
  const activities = await readActivities(await pair.rollOut(planOfNothing('first', STEPS)));
  const pairs = RESOURCES.map((): [number, number][] => []);
  for (let run = -WARM_UP; run < runs; run += 1) {
    for (const [index, resources] of RESOURCES.entries()) {
      // It notes what it was asked, and searches its notes at every question.
      world.calls.length = 0;
      const measured = await alternate(pair, resources, activities, run);
      if (run >= 0) pairs[index]?.push(measured);
    }
  }
  return { rows: RESOURCES.map((resources, index) => rowOf(resources, activities, pairs[index] ?? [])) };
}

/** @returns ms of the rollout and of the bare workflow; which of them comes first changes from run to run */
async function alternate(
  pair: Pair,
  resources: number,
  activities: BareActivity[],
  run: number,
): Promise<[number, number]> {
  const rollOut = () => time(() => pair.rollOut(planOfNothing(`${resources}-${run}`, resources)));
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

function rowOf(resources: number, activities: BareActivity[], pairs: [number, number][]): Row {
  const compared = comparePairs(pairs, `bare workflow, ${activities.length} activities`);
  const locks = resources === 1 ? 'one resource, one lock' : `${resources} resources, ${resources} locks`;
  return {
    what: `overhead: ${STEPS} no-op steps on ${locks}`,
    unit: 'ms',
    ...compared,
    reach: { text: `≤ ${HIGHEST_RATIO} ×`, reached: compared.ratio <= HIGHEST_RATIO },
  };
}
