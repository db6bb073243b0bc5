/**
 * How long production serves what should not: from a fact to the moment at which the live Service leads to the old
 * release again, on a Kubernetes control plane. Every run is a rollout of its own that has been promoted and is in its
 * monitor when the fact comes.
 */
import { openWorld, type RestorationWorld } from './restoration-world.js';
import { type Breakdown, comparePairs, type Result, type Row, spreadOf } from './row.js';
import type { Session } from './session.js';

const PROBE_INTERVALS = { often: '1s', seldom: '5s' } as const;

interface Way {
  name: string;
  /** Of the monitor's probe. */
  interval: string;
  probe: (world: RestorationWorld) => string;
  /** Brings the fact about. */
  happen: (world: RestorationWorld) => Promise<void>;
  reach?: { text: string; medianMs: number };
  note?: string;
}

/** One run, epoch ms by the same clock. */
interface Timed {
  factAt: number;
  /** The answer that decided left then; absent where nobody is asked. */
  decidedAt?: number;
  restoredAt: number;
}

const polled = (interval: string, reach?: Way['reach']): Way => ({
  name: `fact → restored, polled every ${interval}`,
  interval,
  probe: ({ healthUrl }) => `{ http: { url: "${healthUrl}" }, expect: { path: status, equals: 200 } }`,
  happen: async (world) => world.turnSick(),
  reach,
});

const metricsDown = (interval: string, reach?: Way['reach']): Way => ({
  name: `metric endpoint down → restored, polled every ${interval}`,
  interval,
  probe: ({ metricsUrl }) =>
    `{ prometheus: { url: "${metricsUrl}", query: "errors" }, expect: { path: value, equals: 0 } }`,
  happen: (world) => world.takeMetricsDown(),
  reach,
  note: 'the fifth error in a row decides (consecutiveErrorLimit 4)',
});

const WAYS: Way[] = [
  polled(PROBE_INTERVALS.seldom, { text: '≤ 2.9 s', medianMs: 2_900 }),
  polled(PROBE_INTERVALS.often),
  {
    name: 'fact → restored, followed log',
    interval: PROBE_INTERVALS.seldom,
    probe: ({ logFile }) =>
      `{ logs: { file: "${logFile}", pattern: "too many connections", follow: true }, expect: { path: count, equals: 0 } }`,
    happen: (world) => world.logFailure(),
    reach: { text: '≤ 1 s', medianMs: 1_000 },
  },
  {
    name: 'fact → restored, Kubernetes watch',
    interval: PROBE_INTERVALS.seldom,
    probe: ({ namespace, deployment }) =>
      `{ kubernetes: { namespace: ${namespace}, deployment: ${deployment}, release: "\${release:id}", follow: true }, expect: { path: unavailable, equals: 0 } }`,
    happen: (world) => world.makePodUnready(),
    reach: { text: '≤ 1 s', medianMs: 1_000 },
    note: 'the fact is a pod that is not ready; the controllers need their time to say so in the Deployment',
  },
  metricsDown(PROBE_INTERVALS.often, { text: '≤ 10 s', medianMs: 10_000 }),
  metricsDown(PROBE_INTERVALS.seldom),
];

export async function measureRestoration(session: Session): Promise<Result> {
  const kubeconfig = process.env.HEADGATE_TEST_KUBECONFIG || process.env.KUBECONFIG;
  if (!kubeconfig) {
    return {
      rows: [],
      leftOut: [
        'restoration: there is no control plane; name a kubeconfig in KUBECONFIG (a namespace of its own is used)',
      ],
    };
  }
  const world = await openWorld(session, kubeconfig);
  const runs = session.runs(20, 2);
  const timed = new Map<Way, Timed[]>(WAYS.map((way) => [way, []]));
  // In turns, so that a busy minute meets all of them.
  for (let run = 0; run < runs; run += 1) {
    for (const way of WAYS) {
      session.log(`restoration: ${way.name}, ${run + 1} of ${runs}`);
      timed.get(way)?.push(await restoreOnce(world, way, (run + 0.5) / runs));
    }
  }
  const decided = [...timed.values()]
    .flat()
    .flatMap(({ decidedAt, restoredAt }) => (decidedAt === undefined ? [] : [restoredAt - decidedAt]));
  const bare = await world.timeBareSwitches(decided.length);
  return {
    rows: [decidedRow(decided, bare), ...[...timed].map(([way, runsOf]) => rowOf(way, runsOf))],
    breakdowns: [spreadTable(timed, decided)],
  };
}

/** @param phase of the interval in which the fact comes, 0 to 1: a polled fact waits for the next sample */
async function restoreOnce(world: RestorationWorld, way: Way, phase: number): Promise<Timed> {
  await world.reset();
  const rollout = await world.startRollout(way.probe(world), way.interval);
  await world.untilWatched(rollout);
  await world.waitFor(phase * (Number.parseInt(way.interval, 10) * 1000));
  const restored = world.untilRestored();
  const factAt = Date.now();
  await way.happen(world);
  const restoredAt = await restored;
  const decidedAt = world.sickAnswerAt;
  await world.untilClosed(rollout);
  return { factAt, restoredAt, ...(decidedAt === undefined ? {} : { decidedAt }) };
}

function decidedRow(decided: number[], bare: number[]): Row {
  const what = 'a bare client that reads the Service and switches it';
  const compared = comparePairs(
    decided.map((ms, index): [number, number] => [ms, bare[index] ?? Number.NaN]),
    what,
  );
  return {
    what: 'restoration: deciding answer → live Service restored',
    unit: 'ms',
    ...compared,
    reach: { text: '≤ 60 ms', reached: compared.measured.median <= 60 },
    note: 'from the answer that fails the probe to the watch event that shows the old selector',
  };
}

function rowOf({ name, reach, note }: Way, timed: Timed[]): Row {
  const measured = spreadOf(timed.map(({ factAt, restoredAt }) => restoredAt - factAt));
  return {
    what: `restoration: ${name}`,
    unit: 'ms',
    measured,
    runs: timed.length,
    ...(reach ? { reach: { text: reach.text, reached: measured.median <= reach.medianMs } } : {}),
    ...(note ? { note } : {}),
  };
}

function spreadTable(timed: Map<Way, Timed[]>, decided: number[]): Breakdown {
  const rows = [...timed].map(([{ name }, runs]) =>
    lineOf(
      name,
      runs.map(({ factAt, restoredAt }) => restoredAt - factAt),
    ),
  );
  return {
    title: 'From the fact to the live Service on the old release, ms',
    columns: ['what', 'runs', 'median', 'p95', 'worst'],
    rows: [lineOf('deciding answer → restored', decided), ...rows],
  };
}

function lineOf(name: string, values: number[]): (string | number)[] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return [name, sorted.length, at(0.5), at(0.95), at(1)];
}
