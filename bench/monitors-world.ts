/** Rollouts that wait in their monitor: what they change, what they ask, and the workers that carry them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { stringify } from 'yaml';
import { LOOPBACK, listen } from '../sandbox/ports.js';
import type { SampleInput } from '../src/contract/activities.js';
import type { RolloutInput } from '../src/contract/inputs.js';
import { ROLLOUT_WORKFLOW, rolloutWorkflowId, TASK_QUEUE } from '../src/contract/messages.js';
import type { ResolvedPlan } from '../src/plan/resolved.js';
import { loadPlan } from '../src/platform/load-plan.js';
import { until } from '../test/support/product.js';
import { type BenchServer, startServer } from './server.js';
import type { Session } from './session.js';
import { startWorker } from './worker.js';

export const INTERVAL_MS = 5_000;
/** Only as many as a client would start at the same moment. */
const STARTS_AT_ONCE = 20;
const PATIENCE_MS = 15 * 60_000;
const BEFORE = 'POOL=20\n';

export interface MonitorsWorld {
  serverPid: number;
  workerPids: number[];
  /** Returns when each of them has taken its first sample. */
  startRollouts(count: number): Promise<WatchedRollout[]>;
  untilClosed(rollouts: WatchedRollout[]): Promise<void>;
}

/** One file changed, and then watched by one probe. */
export interface WatchedRollout {
  handle: WorkflowHandle;
  /** Epoch ms at which its samples have arrived. */
  arrivals: number[];
  /** The file is what it was before the rollout. */
  isRestored(): Promise<boolean>;
  /** Epoch ms from which its samples are due, one every `INTERVAL_MS`. */
  readStartedAtMs(): Promise<number>;
}

export async function openMonitorsWorld(session: Session, workers: number): Promise<MonitorsWorld> {
  const { env, address, pid } = await startServer(session);
  const arrivals = new Map<string, number[]>();
  const port = await countRequests(session, arrivals);
  const workerPids: number[] = [];
  for (let index = 0; index < workers; index += 1) {
    workerPids.push(await startWorker(session, { TEMPORAL_ADDRESS: address }));
  }
  const folder = join(session.folder, `monitors-${pid}`);
  await mkdir(folder);

  return {
    serverPid: pid,
    workerPids,
    async startRollouts(count) {
      const names = Array.from({ length: count }, (_, index) => `bench-${index}`);
      for (const name of names) arrivals.set(name, []);
      const started: WatchedRollout[] = [];
      const startNext = async (): Promise<void> => {
        for (let name = names.shift(); name; name = names.shift()) {
          session.interrupted.throwIfAborted();
          started.push(await startOne(env, { folder, name, port, arrivals: arrivals.get(name) ?? [] }));
        }
      };
      await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startNext));
      const waiting = () => started.filter((rollout) => rollout.arrivals.length === 0);
      await until(
        async () => waiting().length === 0,
        PATIENCE_MS,
        async () => `${waiting().length} of ${count} rollouts have taken no sample`,
      );
      return started;
    },
    async untilClosed(rollouts) {
      const open = new Set(rollouts);
      const close = async (rollout: WatchedRollout) => {
        await untilEnded(rollout.handle);
        open.delete(rollout);
      };
      const patience = new AbortController();
      const { signal } = patience;
      const impatient = sleep(PATIENCE_MS, undefined, { signal }).then(() => {
        throw new Error(`${open.size} rollouts are still open`);
      });
      await Promise.race([impatient, Promise.all(rollouts.map(close))]).finally(() => patience.abort());
    },
  };
}

/** The server tells it: to ask again and again would be one more load on what is measured. */
async function untilEnded(handle: WorkflowHandle): Promise<void> {
  try {
    await handle.result();
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
  }
}

/** What is measured: it answers at once, and notes by the path whose sample has come when. */
async function countRequests(session: Session, arrivals: Map<string, number[]>): Promise<number> {
  const server = createServer((request, response) => {
    arrivals.get((request.url ?? '').slice(1))?.push(Date.now());
    response.end('{}');
  });
  session.own(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return listen(server, 0);
}

interface Place {
  folder: string;
  name: string;
  port: number;
  arrivals: number[];
}

async function startOne({ client }: BenchServer['env'], place: Place): Promise<WatchedRollout> {
  const changed = join(place.folder, `${place.name}.env`);
  await writeFile(changed, BEFORE);
  const input: RolloutInput = {
    plan: await readPlan(place, changed),
    startedBy: 'bench',
    searchAttributes: true,
  };
  const handle = await client.workflow.start(ROLLOUT_WORKFLOW, {
    workflowId: rolloutWorkflowId(place.name),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  return {
    handle,
    arrivals: place.arrivals,
    isRestored: async () => (await readFile(changed, 'utf8')) === BEFORE,
    readStartedAtMs: () => readStartedAtMs(handle),
  };
}

async function readPlan({ folder, name, port }: Place, changed: string): Promise<ResolvedPlan> {
  const file = join(folder, `${name}.yaml`);
  const url = `http://${LOOPBACK}:${port}/${name}`;
  await writeFile(
    file,
    stringify({
      apiVersion: 'headgate/v1',
      application: name,
      version: 'v1.0.1',
      probes: { answers: { http: { url }, expect: { path: 'status', equals: 200 } } },
      stages: [
        {
          name: 'production',
          steps: [
            { config: { local: { file: changed }, set: { POOL: '50' } } },
            { monitor: { for: '2h', interval: `${INTERVAL_MS / 1_000}s`, probes: ['answers'] } },
          ],
        },
      ],
    }),
  );
  const { plan, faults } = await loadPlan(file, {});
  if (!plan) throw new Error(`the benchmark's own plan has faults: ${stringify(faults)}`);
  return plan;
}

/** As the first of its samplers was told. */
async function readStartedAtMs(handle: WorkflowHandle): Promise<number> {
  const { events } = await handle.fetchHistory();
  const first = events
    ?.map((event) => event.activityTaskScheduledEventAttributes)
    .find((scheduled) => scheduled?.activityType?.name === 'sampleProbes');
  const data = first?.input?.payloads?.[0]?.data;
  if (!data) throw new Error(`${handle.workflowId} has no sampler`);
  return (JSON.parse(Buffer.from(data).toString()) as SampleInput).startedAtMs;
}
