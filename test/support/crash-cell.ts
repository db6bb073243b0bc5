/** One cell of the crash matrix: a rollout whose worker is killed at a fact, the worker that goes on, and the end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import { Headgate, type RolloutState } from '../../src/client.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import type { Answer, Cell, Crash, Parts, World } from './crash-kind.js';
import { openPlace, type Place } from './crash-place.js';
import { isAlive, waitFor } from './processes.js';

const WORKER = fileURLToPath(new URL('./crash-worker.mjs', import.meta.url));
const READY_TIMEOUT_MS = 40_000;
const DEATH_TIMEOUT_MS = 90_000;
const END_TIMEOUT_MS = 150_000;
/** Every look at a rollout costs its worker a query. */
const POLL_MS = 500;
/** What a dead worker may leave running: its guardians have to end it. */
const ORPHANS_MS = 2_000;

export async function runCell({ subject, moment, fact }: Cell, parts: Parts, name: string): Promise<void> {
  const place = await openPlace(name, moment === 'undo' ? 503 : 200);
  const workers: CrashWorker[] = [];
  const closing: (() => Promise<unknown> | undefined)[] = [() => place.close()];
  try {
    const world = await subject.open(place, parts);
    closing.push(async () => world.close?.());
    const before = await world.read();
    const first = await CrashWorker.start(place, parts, world, fact.crash);
    workers.push(first);
    const headgate = await connect(parts.address, name);
    closing.push(() => headgate.close());
    const describe = () => headgate.describe(name).catch(() => undefined);
    const kill = () => first.kill();
    const armed = Promise.resolve(fact.arm?.({ world, place, describe, kill }));
    // A fact that never comes is told below, with what the rollout did instead.
    armed.catch(() => undefined);
    await headgate.start(await writePlan(place, world), 'ana');
    await first.untilKilled(describe);
    await armed;
    await untilNothingIsLeft(place);
    workers.push(await CrashWorker.start(place, parts, world));
    const end = await untilClosed(headgate, name, world);
    const after = await world.read();
    expect(summaryOf(end)).toMatchObject({ outcome: moment === 'undo' ? 'rolledBack' : 'promoted' });
    if (!end.progress) throw new Error('the rollout has no progress');
    if (moment !== 'undo') world.expectPromoted(before, after, end.progress);
    else if (world.expectRestored) world.expectRestored(before, after);
    else throw new Error(`nobody has said what restored means for ${subject.name}`);
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
    for (const close of closing.reverse()) await close();
  }
}

export class CrashWorker {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('exit', () => resolve()));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-4_000);
      });
    }
  }

  /** Resolves when it polls. */
  static async start(place: Place, parts: Parts, world: World, crash?: Crash): Promise<CrashWorker> {
    const env = { ...process.env, ...environmentOf(place, parts), ...world.env };
    const child = spawn(process.execPath, [WORKER], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...env, ...(crash ? { HEADGATE_CRASH: JSON.stringify(crash) } : {}) },
    });
    const worker = new CrashWorker(child);
    const isUp = () => worker.#output.includes('ready') || worker.#hasEnded;
    await waitFor(isUp, 'a worker that polls', READY_TIMEOUT_MS);
    if (worker.#hasEnded) throw new Error(`the worker did not start: ${worker.#output}`);
    return worker;
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Returns at once when it dies, so that what it leaves can be timed. */
  async untilKilled(describe: () => Promise<RolloutState | undefined>): Promise<void> {
    const deadline = performance.now() + DEATH_TIMEOUT_MS;
    let state: RolloutState | undefined;
    const look = async () => {
      state = await describe();
      await sleep(POLL_MS);
    };
    while (!this.#hasEnded) {
      await Promise.race([this.#ended, look()]);
      const isOver = state !== undefined && state.temporalStatus !== 'RUNNING';
      if (this.#hasEnded || (performance.now() < deadline && !isOver)) continue;
      throw new Error(`It was not killed.\n${JSON.stringify(summaryOf(state), null, 1)}\n${this.#output}`);
    }
    expect(this.#child.signalCode, this.#output).toBe('SIGKILL');
  }
}

export function homeOf({ folder }: Place): string {
  return join(folder, 'home');
}

export function environmentOf(place: Place, { address, aws }: Parts): Record<string, string> {
  return {
    HEADGATE_HOME: homeOf(place),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: place.name,
    AWS_ENDPOINT_URL: aws,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
  };
}

/** The client reads its environment before it first waits, so that cells may connect side by side. */
export function connect(address: string, namespace: string): Promise<Headgate> {
  Object.assign(process.env, { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace });
  return Headgate.connect();
}

/** The step under test, and a last gate behind it. */
export async function writePlan(place: Place, { probes, steps, notify }: World) {
  const folder = join(place.folder, 'plan');
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'rollout.yaml');
  const gate = { http: { url: `${place.server.url}/gate` }, expect: { path: 'status', equals: 200 } };
  const last = { id: 'gate', check: { probes: ['gate'], timeout: '1s', interval: '500ms' } };
  const document = {
    apiVersion: 'headgate/v1',
    application: place.name,
    version: 'v1.0.1',
    ...(notify ? { notify } : {}),
    probes: { ...probes, gate },
    stages: [{ name: 'production', steps: [...steps, last] }],
  };
  await writeFile(file, stringify(document));
  const { plan, ...faults } = await loadPlan(file, {});
  if (!plan) throw new Error(`the plan of ${place.name} is not right: ${JSON.stringify(faults, null, 1)}`);
  return plan;
}

export interface Process {
  pid: number;
  command: string;
}

/** Whatever the dead worker had started bears its home. */
async function untilNothingIsLeft(place: Place): Promise<void> {
  let left: Process[] = [];
  const isGone = async () => {
    left = await listProcesses(homeOf(place));
    return left.length === 0;
  };
  await waitFor(isGone, 'the end of what the dead worker had started', ORPHANS_MS).catch((error) => {
    throw new Error(`${error} ${left.map(({ command }) => command).join('; ')}`);
  });
}

export async function listProcesses(home: string): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && isAlive(Number(name)));
  const commands = await Promise.all(
    pids.map(async (pid) => {
      // It may end while we look.
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (!environment.includes(`HEADGATE_HOME=${home}\0`)) return [];
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return [{ pid: Number(pid), command: command.replaceAll('\0', ' ') }];
    }),
  );
  return commands.flat();
}

/** Answers what is asked, once each time. */
async function untilClosed(headgate: Headgate, name: string, world: World): Promise<RolloutState> {
  const answered = new Set<string>();
  let latest: RolloutState | undefined;
  const isClosed = async () => {
    latest = await headgate.describe(name);
    const waiting = latest.progress?.waiting;
    if (latest.temporalStatus === 'RUNNING' && latest.source === 'workflow' && waiting) {
      const answer = answered.has(waiting.since) ? undefined : await world.answer?.(waiting);
      if (!world.answer) throw new Error(`nobody expected it to ask: ${waiting.message}`);
      answered.add(waiting.since);
      if (answer) await send(headgate, name, answer);
    }
    return latest.temporalStatus !== 'RUNNING';
  };
  await waitFor(isClosed, `the end of ${name}`, END_TIMEOUT_MS, POLL_MS).catch((error) => {
    throw new Error(`${error}\n${JSON.stringify(summaryOf(latest), null, 1)}`);
  });
  if (!latest) throw new Error('the rollout is gone');
  return latest;
}

async function send(headgate: Headgate, rollout: string, answer: Answer): Promise<void> {
  const { name, ...input } = answer;
  await headgate.send(rollout, name, { ...input, by: 'ana' });
}

/** What a person needs to see of a cell that did not end as it should. */
export function summaryOf(state: RolloutState | undefined) {
  const { progress, temporalStatus, pending } = state ?? {};
  return {
    outcome: progress?.outcome,
    temporalStatus,
    steps: progress?.steps.map(({ name, status, summary }) => `${name} ${status}: ${summary}`),
    stop: progress?.stop,
    compensations: progress?.compensations,
    waiting: progress?.waiting?.message,
    pending,
  };
}
