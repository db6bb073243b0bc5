/** One run: a world, a rollout of it, faults on the way, and the judgement of what is left. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress, StopReason } from '../src/contract/progress.js';
import { waitFor } from '../test/support/processes.js';
import type { Builds } from './builds.js';
import { Injector, type Struck } from './inject.js';
import type { Seen } from './items/item.js';
import { type End, endOf, judge } from './judge.js';
import { holds, judgeHistory, largestPayload } from './judge-history.js';
import type { Lane } from './lane.js';
import { lookAtAll, Operator, type Watched } from './operator.js';
import { handleOf, type Scene } from './scene.js';
import { drawSchedule, type Schedule } from './schedule.js';
import { openWorld } from './world.js';

const LOCKS_CLOSE_MS = 5_000;

export interface RunResult {
  seed: number;
  schedule: Schedule;
  end: End;
  /** Why it turned round, and where. */
  stop: Pick<StopReason, 'kind' | 'step'> | undefined;
  struck: Struck[];
  /** What did not hold, a line each. */
  faults: string[];
  seconds: number;
  leftOpen: number;
  answered: string[];
  largestPayloadBytes: number;
  /** For people who look into a failed run. */
  summary: string[];
}

export interface Shared {
  terraform: Scene['ground']['terraform'];
  builds: Builds;
}

export async function carryOutRun(
  lane: Lane,
  seed: number,
  { terraform, builds }: Shared,
  signal: AbortSignal,
): Promise<RunResult> {
  const startedAt = performance.now();
  const schedule = drawSchedule(seed);
  const application = `chaos-${seed}`;
  const folder = join(lane.folder, application);
  await mkdir(folder, { recursive: true });
  const { control, rds, secrets, planted } = lane;
  const common = { application, folder, planFolder: join(folder, 'plan') };
  const ground = { ...common, control, rds, secrets, terraform, planted: planted.store };
  const world = await openWorld(ground, schedule, lane.gitEnv);
  const scene: Scene = { schedule, lane, ground, world, builds };
  if (lane.workers.living().length === 0) await lane.workers.start(builds.ours);
  const injector = new Injector(scene);
  try {
    await lane.headgate.start(world.plan, 'ana');
    injector.begin();
    const watched = await new Operator(scene, injector).watch(signal);
    await injector.end();
    signal.throwIfAborted();
    const seen = await lookAtAll(world.items);
    const faults = [...judgeWorld(scene, injector.struck, watched, seen), ...(await judgeTraces(scene))];
    const history = await handleOf(scene).fetchHistory();
    const ownSignals = new Set(
      schedule.faults.some(({ name }) => name === 'malformed answers') ? ['approve'] : [],
    );
    faults.push(...judgeHistory({ history, planted, ownSignals }));
    return {
      ...{ seed, schedule, faults, struck: injector.struck, answered: watched.answered },
      end: endOf({
        temporalStatus: watched.end?.temporalStatus ?? 'RUNNING',
        progress: watched.end?.progress,
      }),
      stop: watched.end?.progress?.stop,
      seconds: (performance.now() - startedAt) / 1000,
      leftOpen: watched.leftOpen.length,
      largestPayloadBytes: largestPayload(history),
      summary: [
        ...summarise(watched.end?.progress, seen),
        ...(faults.length > 0 ? injector.trace.map((line) => `trace ${line}`) : []),
      ],
    };
  } finally {
    await injector.end();
    await tidyUp(scene);
  }
}

function judgeWorld(
  { schedule, lane }: Scene,
  struck: Struck[],
  { end, backwards, leftOpen, kept }: Watched,
  seen: ReadonlyMap<string, Seen>,
): string[] {
  const temporalStatus = end?.temporalStatus ?? 'RUNNING';
  const orphans = lane.workers.orphans.splice(0);
  const { unauthorised } = lane.control;
  return [
    ...judge({ schedule, struck, temporalStatus, progress: end?.progress, seen, leftOpen, kept }),
    ...backwards.map((line) => `the progress went backwards: ${line}`),
    ...orphans,
    ...(unauthorised > 0 ? [`${unauthorised} requests without the token that the plan refers to`] : []),
  ];
}

/** Locks that are still held, and planted values in what is kept for people. */
async function judgeTraces(scene: Scene): Promise<string[]> {
  const { lane } = scene;
  const faults: string[] = [];
  for (const id of await locksOf(scene)) {
    const isClosed = async () =>
      (await lane.client.workflow.getHandle(id).describe()).status.name !== 'RUNNING';
    await waitFor(isClosed, id, LOCKS_CLOSE_MS, 100).catch(() => faults.push(`${id} is still held`));
  }
  const kept = [
    ...(await readAll(lane.home)),
    { name: 'the output of the workers', text: lane.workers.output },
  ];
  for (const { name, text } of kept) {
    for (const [holder, value] of Object.entries(lane.planted)) {
      if (holds(text, value)) faults.push(`the ${holder}'s secret value is in ${name}`);
    }
  }
  return faults;
}

async function locksOf(scene: Scene): Promise<string[]> {
  const { events } = await handleOf(scene).fetchHistory();
  return (events ?? []).flatMap(
    ({ childWorkflowExecutionStartedEventAttributes: child }) => child?.workflowExecution?.workflowId ?? [],
  );
}

async function readAll(folder: string): Promise<{ name: string; text: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.map(async (name) => ({ name, text: await readFile(name, 'utf8').catch(() => '') })),
  );
}

function summarise(progress: Progress | undefined, seen: ReadonlyMap<string, Seen>): string[] {
  return [
    `outcome ${progress?.outcome ?? 'none'}; stopped by ${progress?.stop ? `${progress.stop.kind}: ${progress.stop.message}` : 'nothing'}`,
    ...(progress?.steps ?? []).map(({ name, status, summary }) => `step ${name} ${status}: ${summary ?? ''}`),
    ...(progress?.compensations ?? []).map((each) => `undo ${JSON.stringify(each)}`),
    ...(progress?.waiting ? [`waits for ${progress.waiting.message}`] : []),
    ...(progress?.warnings ?? []).map((line) => `warning ${line}`),
    ...[...seen].map(([step, { standing, what }]) => `seen ${step} ${standing}: ${what}`),
  ];
}

/** The lane is as a run expects it; what did not end is ended. */
async function tidyUp(scene: Scene): Promise<void> {
  const { lane, world, ground } = scene;
  const { temporalStatus } = await lane.headgate
    .describe(ground.application)
    .catch(() => ({ temporalStatus: 'unknown' }));
  if (temporalStatus === 'RUNNING') {
    await handleOf(scene)
      .terminate('the run is over')
      .catch(() => undefined);
    // It may hold what the next run needs for as long as its activities last.
    await lane.workers.end();
  }
  for (const worker of lane.workers.living().slice(1)) await lane.workers.kill(worker);
  for (const item of world.items.values()) await item.close?.();
  lane.control.reset();
  for (const proxy of [lane.aws, lane.rdsProxy]) {
    proxy.rules.length = 0;
    proxy.calls.length = 0;
  }
  await rm(ground.folder, { recursive: true, force: true, maxRetries: 5 });
}
