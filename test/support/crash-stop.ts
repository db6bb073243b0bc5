/** A rollout with real parts that is stopped in the middle of an effect: what it had started, and what is left of it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { expect } from 'vitest';
import type { Headgate, RolloutState } from '../../src/client.js';
import { rolloutWorkflowId } from '../../src/contract/messages.js';
import {
  CrashWorker,
  connect,
  environmentOf,
  homeOf,
  listProcesses,
  type Process,
  summaryOf,
  writePlan,
} from './crash-cell.js';
import type { Cell, Parts } from './crash-kind.js';
import { openPlace, type Place } from './crash-place.js';
import { isAlive, waitFor } from './processes.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const END_MS = 120_000;
const POLL_MS = 100;

/** An abort by the client, by the built command line, or what the UI's Cancel sends. */
export type How = 'abort' | 'command line' | 'cancel';

export interface Stopped {
  /** How long the one who stopped it waited. */
  answerMs: number;
  /** From the answer to the end of the last program that was at work. */
  goneMs: number;
}

/** @param isRestored throws when the world is not as it was */
export async function stopCell(
  { subject, fact }: Cell,
  how: How,
  isRestored: (before: unknown, after: unknown) => void,
  parts: Parts,
  name: string,
): Promise<Stopped> {
  const place = await openPlace(name, 200);
  const closing: (() => Promise<unknown> | undefined)[] = [() => place.close()];
  try {
    const world = await subject.open(place, parts);
    closing.push(async () => world.close?.());
    const before = await world.read();
    const worker = await CrashWorker.start(place, parts, world);
    closing.push(() => worker.kill());
    const headgate = await connect(parts.address, name);
    closing.push(() => headgate.close());
    const describe = () => headgate.describe(name);
    const stopping = new Stopping(place, parts, how, headgate);
    const scene = {
      world,
      place,
      describe: () => describe().catch(() => undefined),
      kill: () => stopping.begin(),
    };
    const armed = Promise.resolve(fact.arm?.(scene));
    armed.catch(() => undefined);
    await headgate.start(await writePlan(place, world), 'ana');
    await waitFor(() => stopping.isBegun, `the fact: ${fact.name}`, END_MS, POLL_MS);
    const stopped = await stopping.untilTurnedRound();
    await armed;
    const end = await untilClosed(describe);
    expect([end.temporalStatus, end.progress?.stop?.kind], JSON.stringify(summaryOf(end), null, 1)).toEqual([
      how === 'cancel' ? 'CANCELLED' : 'COMPLETED',
      how === 'cancel' ? how : 'abort',
    ]);
    expect(end.progress?.outcome).toBe('rolledBack');
    isRestored(before, await world.read());
    return stopped;
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

class Stopping {
  #begun: Promise<void> | undefined;
  #atWork: Process[] = [];
  #answerMs = 0;

  constructor(
    private readonly place: Place,
    private readonly parts: Parts,
    private readonly how: How,
    private readonly client: Headgate,
  ) {}

  get isBegun(): boolean {
    return this.#begun !== undefined;
  }

  /** Once, however often the fact comes. */
  begin(): Promise<void> {
    this.#begun ??= this.#stop();
    return this.#begun;
  }

  async #stop(): Promise<void> {
    const started = await listProcesses(homeOf(this.place));
    this.#atWork = started.filter(({ command }) => !command.includes('crash-worker.mjs'));
    const since = performance.now();
    if (this.how === 'abort') {
      await this.client.send(this.place.name, 'abort', { by: 'cas' });
    } else if (this.how === 'command line') {
      const { code, output } = await run(this.place, this.parts, 'abort', this.place.name, '--by', 'cas');
      expect(code, output).toBe(0);
    } else {
      await cancel(this.parts, this.place.name);
    }
    this.#answerMs = performance.now() - since;
  }

  /** Nothing is taken back before what was at work has ended. */
  async untilTurnedRound(): Promise<Stopped> {
    await this.#begun;
    const since = performance.now();
    let goneMs = 0;
    const isBack = async () => {
      const { progress } = await this.client.describe(this.place.name);
      const isTurned = progress?.phase === 'rollingBack' || progress?.outcome !== undefined;
      const alive = this.#atWork.filter(({ pid }) => isAlive(pid));
      if (alive.length > 0) goneMs = performance.now() - since;
      if (isTurned) expect(alive).toEqual([]);
      return isTurned;
    };
    await waitFor(isBack, 'the way back', END_MS, POLL_MS);
    return { answerMs: this.#answerMs, goneMs };
  }
}

async function cancel({ address }: Parts, name: string): Promise<void> {
  const connection = await Connection.connect({ address });
  await new Client({ connection, namespace: name }).workflow.getHandle(rolloutWorkflowId(name)).cancel();
  await connection.close();
}

async function untilClosed(describe: () => Promise<RolloutState>): Promise<RolloutState> {
  let state: RolloutState | undefined;
  const isClosed = async () => {
    state = await describe();
    return state.temporalStatus !== 'RUNNING';
  };
  await waitFor(isClosed, 'the end', END_MS, POLL_MS).catch((error) => {
    throw new Error(`${error}\n${JSON.stringify(summaryOf(state), null, 1)}`);
  });
  if (!state) throw new Error('the rollout is gone');
  return state;
}

/** The built command line. */
function run(
  place: Place,
  parts: Parts,
  ...args: string[]
): Promise<{ code: number | null; output: string }> {
  const env = {
    ...process.env,
    ...environmentOf(place, parts),
    HEADGATE_HOME: `${homeOf(place)}-of-a-person`,
  };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
