/** How quickly a worker replays a rollout's history, beside a bare workflow's: what a restart has to do for each open rollout. */
import { performance } from 'node:perf_hooks';
import { Worker } from '@temporalio/worker';
import { createFakeWorld } from '../test/support/fake-world.js';
import { type History, readHistories } from '../test/support/histories.js';
import { CONVERTER, quiet } from '../test/support/temporal.js';
import { planOfNothing, readActivities, STEPS } from './no-op-plan.js';
import { type Bundles, loadBundles, startPair } from './pair.js';
import { comparePairs, type Result } from './row.js';
import type { Session } from './session.js';

interface Subject {
  what: string;
  code: string;
  history: History;
}

/** @returns rows in events a second */
export async function measureReplay(session: Session): Promise<Result> {
  const bundles = await loadBundles();
  const { bare, rollouts } = await collectHistories(session, bundles);
  const [rounds, copies] = [session.runs(7, 2), session.runs(30, 5)];
  session.log(`replay: ${copies} histories each, ${rounds} rounds`);
  const pairs = rollouts.map((): [number, number][] => []);
  // The first round is for the compiler.
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, rollout] of rollouts.entries()) {
      session.interrupted.throwIfAborted();
      const pair: [number, number] = [await replay(rollout, copies), await replay(bare, copies)];
      if (round >= 0) pairs[index]?.push(pair);
    }
  }
  return {
    rows: rollouts.map(({ what }, index) => ({
      what: `replay: ${what}`,
      unit: 'events/s',
      ...comparePairs(pairs[index] ?? [], bare.what),
    })),
  };
}

/** Of a rollout without effect and of a bare workflow, made now; and the story, as it was recorded. */
async function collectHistories(
  session: Session,
  bundles: Bundles,
): Promise<{ bare: Subject; rollouts: Subject[] }> {
  const pair = await startPair(session, bundles, createFakeWorld().activities);
  const rollout = await pair.rollOut(planOfNothing('replayed', STEPS));
  const bare = await pair.runBare(await readActivities(rollout));
  const [rolledOut, ranBare] = [await rollout.fetchHistory(), await bare.fetchHistory()];
  await session.endOwned();
  const recorded = await readRecordedStory();
  const subject = (what: string, code: string, history: History): Subject => {
    return { what: `${what}, ${countEvents(history)} events`, code, history };
  };
  return {
    bare: subject('bare workflow', bundles.bare, ranBare),
    rollouts: [
      subject(`${STEPS} no-op steps`, bundles.rollout, rolledOut),
      subject('the story with a world in memory', bundles.rollout, recorded),
    ],
  };
}

/** As the newest version of the workflow has made it. */
async function readRecordedStory(): Promise<History> {
  const stories = (await readHistories()).filter(({ name }) => name.endsWith('/promoted'));
  const [newest] = stories.sort((a, b) => b.name.localeCompare(a.name, 'en', { numeric: true }));
  if (!newest) throw new Error('test/histories has no promoted story; npm run record-histories writes one');
  return newest.history;
}

/** @returns events a second, from the end of the first history to that of the last: without the worker's own start */
async function replay({ what, code, history }: Subject, copies: number): Promise<number> {
  quiet();
  const results = Worker.runReplayHistories(
    { workflowBundle: { code }, dataConverter: { payloadConverterPath: CONVERTER } },
    Array.from({ length: copies + 1 }, (_, index) => ({ workflowId: `replayed/${index}`, history })),
  );
  const endedAt: number[] = [];
  for await (const { error } of results) {
    if (error) throw new Error(`${what} does not replay: ${error.message}`);
    endedAt.push(performance.now());
  }
  const tookMs = (endedAt.at(-1) ?? 0) - (endedAt.at(0) ?? 0);
  return (copies * countEvents(history) * 1_000) / tookMs;
}

function countEvents({ events }: History): number {
  return events?.length ?? 0;
}
