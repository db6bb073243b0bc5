/**
 * The releases of one stage: at most one beside the live one. Every verb may be repeated; they run one after
 * another.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { appendFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningProcess, requireHttp, startProcess } from '../part.js';
import { builtProgram } from '../place.js';
import { LOOPBACK } from '../ports.js';
import type { PartContext, StageName } from './context.js';
import type { Switch } from './switch.js';

const DRAIN_TIMEOUT_MS = 10_000;
const STOP_GRACE_MS = 10_000;
const READY_TIMEOUT_MS = 60_000;
/** After its promotion; a monitor watches by then. */
const REGRESSION_DELAY_MS = 6_000;
const BASELINE = 'baseline';

export type Fault = 'load' | 'regression' | 'flap';

export interface ReleaseView {
  id: string;
  version: string;
  url: string;
}

export interface StageView {
  live: ReleaseView;
  candidate: ReleaseView | null;
}

interface Release {
  id: string;
  version: string;
  /** The rollout that prepared it; repeating its prepare must not start a second one. */
  rolloutId: string;
  fault?: Fault;
  port: number;
  /** `undefined` while it does not run. */
  process?: RunningProcess;
}

export interface ReleasesOptions {
  stage: StageName;
  switch: Switch;
  /** Live address. */
  address: string;
  /** Environment of the application. */
  env: Record<string, string>;
  /** Asked once for each release that is prepared. */
  takeFault: () => Fault | undefined;
}

/** The caller asked for something that cannot be; its message says what to do instead. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError';
}

export class Releases {
  readonly #context: PartContext;
  readonly #options: ReleasesOptions;
  #live: Release | undefined;
  #candidate: Release | undefined;
  #count = 0;
  /** Lines of every release of the stage, in order: what a log shipper would have gathered. */
  #gathered: WriteStream | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #timers = new Set<NodeJS.Timeout>();

  constructor(context: PartContext, options: ReleasesOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** The release that was live before any rollout. */
  async startBaseline(version: string): Promise<void> {
    this.#live = await this.#start({ id: this.#nextId(version), version, rolloutId: BASELINE, port: 0 });
    await this.#options.switch.moveTo(this.#live.port, 0);
  }

  status(): StageView {
    if (!this.#live) throw new ReleaseError(`Nothing is live on ${this.#options.stage}.`);
    const live = { ...viewOf(this.#live), url: this.#options.address };
    return { live, candidate: this.#candidate ? viewOf(this.#candidate) : null };
  }

  prepare(rolloutId: string, version: string): Promise<ReleaseView> {
    return this.#inTurn(async () => {
      const earlier = [this.#candidate, this.#live].find(
        (release) => release?.rolloutId === rolloutId && release.version === version,
      );
      if (earlier) {
        if (!earlier.process) await this.#start(earlier);
        return viewOf(earlier);
      }
      // Left by a rollout that was terminated in the middle.
      await this.#stop(this.#candidate);
      this.#candidate = undefined;
      const fault = this.#options.takeFault();
      const id = this.#nextId(version);
      this.#candidate = await this.#start({ id, version, rolloutId, fault, port: 0 });
      return viewOf(this.#candidate);
    });
  }

  /** Live traffic to `id`; the former live release stays warm. Used for promote and restore alike. */
  moveTrafficTo(id: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#live?.id === id) {
        if (!this.#live.process) await this.#restartInPlace(this.#live);
        return;
      }
      const next = this.#require(id);
      if (!next.process) await this.#start(next);
      await requireHttp(`http://${LOOPBACK}:${next.port}/healthz`);
      [this.#live, this.#candidate] = [next, this.#live];
      const left = await this.#options.switch.moveTo(next.port, DRAIN_TIMEOUT_MS);
      if (left > 0)
        this.#context.log(`${this.#options.stage}: ${left} requests still ran at the former release`);
      this.#context.log(`${this.#options.stage}: traffic on ${next.id}`);
      this.#scheduleFault(next);
    });
  }

  /** Stops `id`. One that is not there any more is retired already. */
  retire(id: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#live?.id === id) {
        throw new ReleaseError(
          `${id} is live on ${this.#options.stage}; move the traffic away before retiring it.`,
        );
      }
      if (this.#candidate?.id !== id) return;
      await this.#stop(this.#candidate);
      this.#candidate = undefined;
    });
  }

  /** Starts `id` again, so that it reads its configuration anew: on another port first, then the old one stops. */
  restart(id: string): Promise<void> {
    return this.#inTurn(async () => {
      await this.#restartInPlace(this.#require(id));
      this.#context.log(`${this.#options.stage}: ${id} started again`);
    });
  }

  /** What a rollout has promoted, while the release before it is still warm, becomes unhealthy. @returns false without such a one */
  breakPromoted(): boolean {
    const running = this.#live?.process;
    if (!running || !this.#candidate || this.#live?.rolloutId === BASELINE) return false;
    sendSignal(running.pid, 'SIGUSR2');
    return true;
  }

  /** `previous`: of its process before the one that runs now. */
  logOf(id: string, previous = false): string {
    return join(this.#context.places.logs, `${this.#options.stage}-${id}${previous ? '.previous' : ''}.log`);
  }

  pids(): number[] {
    return [this.#live, this.#candidate].flatMap((release) => release?.process?.pid ?? []);
  }

  async stop(): Promise<void> {
    await this.#queue.catch(() => {});
    await Promise.all([this.#stop(this.#candidate), this.#stop(this.#live)]);
    await new Promise<void>((resolve) => (this.#gathered ? this.#gathered.end(resolve) : resolve()));
  }

  #require(id: string): Release {
    const found = [this.#live, this.#candidate].find((release) => release?.id === id);
    if (found) return found;
    const there = [this.#live, this.#candidate].flatMap((release) => release?.id ?? []);
    throw new ReleaseError(`${this.#options.stage} has no release ${id}; it has ${there.join(' and ')}.`);
  }

  async #restartInPlace(release: Release): Promise<void> {
    const former = release.process;
    await this.#start(release);
    if (this.#live === release) await this.#options.switch.moveTo(release.port, DRAIN_TIMEOUT_MS);
    await former?.stop();
  }

  async #start(release: Release): Promise<Release> {
    const log = this.logOf(release.id);
    // A log is one process': what an earlier one wrote is kept beside it.
    await rename(log, this.logOf(release.id, true)).catch(() => {});
    let port = 0;
    release.process = await startProcess({
      name: `${this.#options.stage} ${release.id}`,
      file: process.execPath,
      args: [builtProgram('sandbox/app/main.js')],
      env: {
        ...this.#context.env,
        ...this.#options.env,
        APP_VERSION: release.version,
        APP_RELEASE: release.id,
        ...(release.fault ? { APP_FAULT: release.fault } : {}),
      },
      log,
      graceMs: STOP_GRACE_MS,
      readyTimeoutMs: READY_TIMEOUT_MS,
      onLine: (line) => {
        this.#gather(line);
        const found = /Listening on port (\d+)/.exec(line)?.[1];
        if (found) port = Number(found);
      },
      ready: async () => {
        if (port === 0) throw new Error('it does not listen yet');
        await requireHttp(`http://${LOOPBACK}:${port}/healthz`);
      },
      onDeath: (message) => {
        release.process = undefined;
        this.#context.log(message);
      },
    });
    release.port = port;
    await appendFile(log, '');
    return release;
  }

  async #stop(release: Release | undefined): Promise<void> {
    await release?.process?.stop();
    if (release) release.process = undefined;
  }

  #scheduleFault({ id, fault, process: running }: Release): void {
    if (!running || (fault !== 'regression' && fault !== 'flap')) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#context.log(`fault ${fault} begins in ${id}`);
      sendSignal(running.pid, 'SIGUSR2');
    }, REGRESSION_DELAY_MS);
    timer.unref();
    this.#timers.add(timer);
  }

  #gather(line: string): void {
    const { logs } = this.#context.places;
    this.#gathered ??= createWriteStream(join(logs, `${this.#options.stage}.log`), {
      flags: 'a',
      mode: 0o600,
    });
    this.#gathered.write(`${line}\n`);
  }

  #nextId(version: string): string {
    this.#count += 1;
    return `${version}-${this.#count}`;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(act, act);
    this.#queue = turn.catch(() => {});
    return turn;
  }
}

function viewOf({ id, version, port }: Release): ReleaseView {
  return { id, version, url: `http://${LOOPBACK}:${port}` };
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended before its time.
  }
}
