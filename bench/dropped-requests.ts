/** What clients notice of promote and rollback: requests at a fixed rate while the traffic moves there and back. */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { LOOPBACK, portsFrom } from '../sandbox/ports.js';
import { resolveTool } from '../src/platform/tool-resolver.js';
import { createK6 } from '../src/tools/k6.js';
import { comparePairs, type Result } from './row.js';
import { bringUpSandbox } from './sandbox.js';
import type { Session } from './session.js';

const RATE = 500;
/** Below this share of the rate, the machine was too slow for the question. */
const ENOUGH = 0.99;
const GRACE_MS = 30_000;
const WARM_UP_SECONDS = 5;
const SCRIPT = fileURLToPath(new URL('./k6/steady-load.js', import.meta.url));

interface Pace {
  seconds: number;
  /** Promotions; each is followed by a rollback. */
  promotions: number;
}

interface Leg {
  requests: number;
  failed: number;
  /** Requests that k6 could not send in time. */
  unsent: number;
  p99Ms: number;
}

const summarySchema = z.object({
  metrics: z.object({
    http_reqs: z.object({ count: z.number() }),
    checks: z.object({ fails: z.number() }),
    dropped_iterations: z.object({ count: z.number() }).optional(),
    http_req_duration: z.object({ 'p(99)': z.number() }),
  }),
});

const stageSchema = z.object({ live: z.object({ id: z.string() }) });
const releaseSchema = z.object({ id: z.string() });

export async function measureDroppedRequests(session: Session): Promise<Result> {
  const pace = session.quick ? { seconds: 8, promotions: 2 } : { seconds: 20, promotions: 8 };
  const runs = session.runs(2, 1);
  const { product } = await bringUpSandbox(session);
  const stage = new Stage(product.portBase);
  const rest = () => load(session, stage, pace.seconds, async () => {});
  const move = () => load(session, stage, pace.seconds, () => stage.moveThereAndBack(pace));
  session.log(`dropped: ${pace.seconds} s at ${RATE} requests a second, at rest and while traffic moves`);
  // A sandbox that has just come up is slow.
  await load(session, stage, WARM_UP_SECONDS, async () => {});
  const legs: [Leg, Leg][] = [];
  for (let run = 0; run < runs; run += 1) {
    if (run % 2 === 0) {
      legs.push([await move(), await rest()]);
    } else {
      const atRest = await rest();
      legs.push([await move(), atRest]);
    }
  }
  return { rows: rowsOf(legs, pace) };
}

/** The production stage of the sandbox. */
class Stage {
  readonly url: string;
  readonly #control: string;

  constructor(portBase: number) {
    const ports = portsFrom(portBase);
    this.url = `http://${LOOPBACK}:${ports.production}/healthz`;
    this.#control = `http://${LOOPBACK}:${ports.control}/stages/production`;
  }

  async moveThereAndBack({ seconds, promotions }: Pace): Promise<void> {
    const { id: old } = stageSchema.parse(await this.#ask('status')).live;
    const next = releaseSchema.parse(await this.#ask('prepare', { rolloutId: 'bench', version: 'v1.0.1' }));
    // The last move comes well before the end of the load.
    const pauseMs = (seconds * 1_000) / (2 * promotions + 4);
    for (let promotion = 0; promotion < promotions; promotion += 1) {
      await this.#ask('promote', { release: next.id });
      await sleep(pauseMs);
      await this.#ask('restore', { release: old });
      await sleep(pauseMs);
    }
    await this.#ask('retire', { release: next.id });
  }

  async #ask(verb: string, input: Record<string, string> = {}): Promise<unknown> {
    const response = await fetch(`${this.#control}/${verb}`, { method: 'POST', body: JSON.stringify(input) });
    const answer: unknown = await response.json();
    if (!response.ok) throw new Error(`${verb} answered ${response.status}: ${JSON.stringify(answer)}`);
    return answer;
  }
}

/** @param meanwhile begins when requests arrive; the load must outlast it */
async function load(
  session: Session,
  { url }: Stage,
  seconds: number,
  meanwhile: () => Promise<void>,
): Promise<Leg> {
  let ended = false;
  let begun: Promise<'during' | 'after'> | undefined;
  const begin = () => meanwhile().then(() => (ended ? 'after' : 'during'));
  const k6 = createK6({ findK6: () => resolveTool('k6') });
  const options = {
    script: SCRIPT,
    cwd: session.folder,
    env: { URL: url, RATE: String(RATE), DURATION: `${seconds}s` },
    signal: session.interrupted,
    timeoutMs: seconds * 1_000 + GRACE_MS,
    series: false,
    influxdb: [],
    trendStats: [],
    onLive: ({ requests }: { requests: number }) => {
      if (requests > 0) begun ??= begin();
      // It is awaited when the load has ended.
      begun?.catch(() => {});
    },
  };
  const leg = await k6.run(options, async ({ summary, exitCode, log }) => {
    ended = true;
    if (summary === undefined) throw new Error(`k6 exited ${exitCode} without a summary: ${log}`);
    return readLeg(summary);
  });
  if ((await begun) !== 'during') throw new Error('the load was over before the traffic had moved');
  return leg;
}

function readLeg(summary: string): Leg {
  const { metrics } = summarySchema.parse(JSON.parse(summary));
  return {
    requests: metrics.http_reqs.count,
    failed: metrics.checks.fails,
    unsent: metrics.dropped_iterations?.count ?? 0,
    p99Ms: metrics.http_req_duration['p(99)'],
  };
}

function rowsOf(legs: [Leg, Leg][], { seconds, promotions }: Pace): Result['rows'] {
  const moved = legs.map(([leg]) => leg);
  const sum = (count: (leg: Leg) => number) => moved.reduce((total, leg) => total + count(leg), 0);
  const [requests, failed, unsent] = [sum((l) => l.requests), sum((l) => l.failed), sum((l) => l.unsent)];
  const atRate = requests >= RATE * seconds * legs.length * ENOUGH;
  const moves = `${promotions} promotions and as many rollbacks at ${RATE} requests a second`;
  const failures = comparePairs(
    legs.map(([a, b]) => [a.failed, b.failed]),
    'at rest',
  );
  return [
    {
      what: `dropped: ${moves}`,
      unit: 'requests',
      measured: failures.measured,
      beside: failures.beside,
      reach: { text: '0', reached: atRate ? failed === 0 : undefined },
      runs: legs.length,
      note: atRate
        ? `${failed} of ${requests} requests failed; ${unsent} were not sent in time`
        : `the machine was too slow: ${requests} requests in ${seconds * legs.length} s`,
    },
    {
      what: 'dropped: 99th percentile of the answers meanwhile',
      unit: 'ms',
      ...comparePairs(
        legs.map(([a, b]) => [a.p99Ms, b.p99Ms]),
        'at rest',
      ),
    },
  ];
}
