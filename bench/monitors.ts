/**
 * Many rollouts in their monitor at the same time: what a worker needs for them, how late their samples are, and how
 * long it takes until all of them have answered an abort and are back where they were.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from './describe-error.js';
import { INTERVAL_MS, type MonitorsWorld, openMonitorsWorld, type WatchedRollout } from './monitors-world.js';
import { readCost } from './process-cost.js';
import { type Breakdown, type Result, type Row, spreadOf } from './row.js';
import type { Session } from './session.js';

interface Level {
  rollouts: number;
  workers: number;
  /** How long they are watched: five minutes hold the end of every rollout's window. */
  watchMs: number;
}

const MINUTE_MS = 60_000;
/** Timers of Node fire up to a millisecond before `Date.now()` has come so far. */
const EARLY_MS = 5;
const HAND_OVER_MS = 5.5 * MINUTE_MS;

const LEVELS: Level[] = [
  { rollouts: 10, workers: 1, watchMs: MINUTE_MS },
  { rollouts: 50, workers: 1, watchMs: MINUTE_MS },
  { rollouts: 100, workers: 1, watchMs: MINUTE_MS },
  { rollouts: 250, workers: 1, watchMs: MINUTE_MS },
  { rollouts: 500, workers: 1, watchMs: HAND_OVER_MS },
  { rollouts: 500, workers: 2, watchMs: HAND_OVER_MS },
];

const QUICK_LEVELS: Level[] = [
  { rollouts: 5, workers: 1, watchMs: 15_000 },
  { rollouts: 20, workers: 1, watchMs: 15_000 },
  { rollouts: 20, workers: 2, watchMs: 15_000 },
];

interface Watched extends Level {
  /** Of all workers together. */
  idleBytes: number;
  residentBytes: number;
  /** Shares of one core, while nothing but sampling went on. */
  workerCpu: number;
  serverCpu: number;
  samplesDue: number;
  samplesMissed: number;
  lateMs: number[];
  abortAnsweredMs: number[];
  /** From the first abort until no rollout was open any more. */
  allBackMs: number;
  restored: number;
}

export async function measureMonitors(session: Session): Promise<Result> {
  const watched: Watched[] = [];
  const failures: string[] = [];
  for (const level of session.quick ? QUICK_LEVELS : LEVELS) {
    try {
      watched.push(await watchLevel(session, level));
    } catch (error) {
      session.interrupted.throwIfAborted();
      failures.push(`${nameLevel(level)}: ${describeError(error)}`);
    } finally {
      await session.endOwned();
    }
  }
  return {
    rows: rowsOf(watched),
    breakdowns: tablesOf(watched),
    failures: [...failures, ...watched.flatMap(faultsOf)],
  };
}

async function watchLevel(session: Session, level: Level): Promise<Watched> {
  const { rollouts: count, workers, watchMs } = level;
  session.log(`monitors: ${count} rollouts, workers: ${workers}; they start`);
  const world = await openMonitorsWorld(session, workers);
  const idle = await readCost(world.workerPids);
  const rollouts = await world.startRollouts(count);
  // What the starts have left to do is not what a monitor costs.
  await sleep(2 * INTERVAL_MS);
  session.log(`monitors: all are in their monitor, and are watched for ${watchMs / 1_000} s`);
  const from = Date.now();
  const before = await readCosts(world);
  await sleep(watchMs, undefined, { signal: session.interrupted });
  const after = await readCosts(world);
  const until = Date.now();
  const due = await readDue(rollouts, from, until);
  session.log('monitors: all are aborted at once');
  return {
    ...level,
    idleBytes: idle.residentBytes,
    residentBytes: after.workers.residentBytes,
    workerCpu: (after.workers.cpuMs - before.workers.cpuMs) / (until - from),
    serverCpu: (after.server.cpuMs - before.server.cpuMs) / (until - from),
    ...due,
    ...(await abortAll(world, rollouts)),
  };
}

async function readCosts({ workerPids, serverPid }: MonitorsWorld) {
  return { workers: await readCost(workerPids), server: await readCost([serverPid]) };
}

/** Samples whose time came and went between the two; the one that was taken within its interval is that sample. */
async function readDue(rollouts: WatchedRollout[], from: number, until: number) {
  const lateMs: number[] = [];
  let samplesDue = 0;
  for (const rollout of rollouts) {
    const startedAt = await rollout.readStartedAtMs();
    let dueAt = startedAt + Math.ceil((from - startedAt) / INTERVAL_MS) * INTERVAL_MS;
    for (; dueAt + INTERVAL_MS <= until; dueAt += INTERVAL_MS) {
      samplesDue += 1;
      const from = dueAt - EARLY_MS;
      const arrived = rollout.arrivals.find((at) => at >= from && at < from + INTERVAL_MS);
      if (arrived !== undefined) lateMs.push(arrived - dueAt);
    }
  }
  return { samplesDue, samplesMissed: samplesDue - lateMs.length, lateMs };
}

async function abortAll(world: MonitorsWorld, rollouts: WatchedRollout[]) {
  const startedAt = Date.now();
  const abort = async ({ handle }: WatchedRollout) => {
    await handle.executeUpdate('abort', { args: [{ by: 'bench', reason: 'all at once' }] });
    return Date.now() - startedAt;
  };
  const [allBackMs, ...abortAnsweredMs] = await Promise.all([
    world.untilClosed(rollouts).then(() => Date.now() - startedAt),
    ...rollouts.map(abort),
  ]);
  const restored = await Promise.all(rollouts.map((rollout) => rollout.isRestored()));
  return { abortAnsweredMs, allBackMs, restored: restored.filter(Boolean).length };
}

function faultsOf({ rollouts, restored }: Watched): string[] {
  return restored === rollouts
    ? []
    : [`${rollouts - restored} of ${rollouts} aborted rollouts were not restored`];
}

function rowsOf(watched: Watched[]): Row[] {
  const smallest = watched[0];
  const largest = watched.findLast(({ workers }) => workers === 1);
  const shared = watched.find(({ workers }) => workers > 1);
  if (!smallest || !largest || !shared) return [];
  const compare = (figure: (of: Watched) => number, of: Watched, beside: Watched) => ({
    measured: spreadOf([figure(of)]),
    beside: { what: nameLevel(beside), ...spreadOf([figure(beside)]) },
    ratio: figure(of) / figure(beside),
    runs: 1,
  });
  const late = (of: Watched) => shareOf(of.lateMs, 0.95);
  const answered = (of: Watched) => Math.max(...of.abortAnsweredMs);
  return [
    {
      what: `monitors: missed samples, ${nameLevel(largest)}`,
      unit: 'samples',
      measured: spreadOf([largest.samplesMissed]),
      beside: { what: nameLevel(shared), ...spreadOf([shared.samplesMissed]) },
      reach: { text: '0', reached: largest.samplesMissed + shared.samplesMissed === 0 },
      runs: 1,
      note: `of ${largest.samplesDue} that were due, one every ${INTERVAL_MS / 1_000} s`,
    },
    {
      what: `monitors: a sample after it was due, 95th percentile, ${nameLevel(largest)}`,
      unit: 'ms',
      ...compare(late, largest, smallest),
    },
    {
      what: `monitors: memory per rollout, ${nameLevel(largest)}`,
      unit: 'KB',
      ...compare(kilobytesEach, largest, watched[1] ?? smallest),
      note: 'beyond what the worker had before the first one',
    },
    {
      what: `monitors: all aborted at once, until the last is answered, ${nameLevel(largest)}`,
      unit: 'ms',
      ...compare(answered, largest, shared),
    },
    {
      what: `monitors: all aborted at once, until the last is rolled back, ${nameLevel(largest)}`,
      unit: 'ms',
      ...compare(({ allBackMs }) => allBackMs, largest, shared),
    },
  ];
}

function kilobytesEach({ residentBytes, idleBytes, rollouts }: Watched): number {
  return (residentBytes - idleBytes) / rollouts / 1024;
}

function nameLevel({ rollouts, workers }: Level): string {
  return `${rollouts} rollouts, ${workers === 1 ? 'one worker' : `${workers} workers`}`;
}

function tablesOf(watched: Watched[]): Breakdown[] {
  const megabytes = (bytes: number) => bytes / 1024 ** 2;
  return [
    {
      title: 'Rollouts in their monitor, one probe every 5 s',
      columns: [
        'rollouts',
        'workers',
        'MB of all workers',
        'KB per rollout',
        'CPU of all workers, % of a core',
        'CPU of the server, %',
        'samples due',
        'missed',
        'late, ms: median',
        'p95',
        'worst',
      ],
      rows: watched.map((each) => [
        each.rollouts,
        each.workers,
        megabytes(each.residentBytes),
        kilobytesEach(each),
        each.workerCpu * 100,
        each.serverCpu * 100,
        each.samplesDue,
        each.samplesMissed,
        shareOf(each.lateMs, 0.5),
        shareOf(each.lateMs, 0.95),
        shareOf(each.lateMs, 1),
      ]),
    },
    {
      title: 'All of them aborted at once',
      columns: [
        'rollouts',
        'workers',
        'answered, ms: median',
        'p95',
        'last',
        'all rolled back, ms',
        'restored',
      ],
      rows: watched.map((each) => [
        each.rollouts,
        each.workers,
        shareOf(each.abortAnsweredMs, 0.5),
        shareOf(each.abortAnsweredMs, 0.95),
        shareOf(each.abortAnsweredMs, 1),
        each.allBackMs,
        each.restored,
      ]),
    },
  ];
}

function shareOf(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
