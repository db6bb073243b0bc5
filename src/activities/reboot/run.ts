/**
 * The reboot itself. What has to be done is decided by what is there: after a crash at any point the next attempt
 * sees whether the database has started after the intent, and then only waits for the rest. A restart that has begun
 * cannot be cancelled: a cancel waits until the database is back, so that the way back has one.
 */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ParametersMade, RebootEffect, RebootFound, RebootInput } from '../../contract/activities.js';
import { FAILURES } from '../../contract/messages.js';
import { formatDuration } from '../../plan/duration.js';
import { drift, invalid } from '../../platform/failures.js';
import { isRecord, withHeartbeat } from '../heartbeat.js';
import type { DatabaseAnswer } from './database.js';
import { readParameters } from './fence.js';
import { type Inspection, inspect, type RebootDeps } from './look.js';
import { listExpected, listPending, listUnannounced, refuseLowering } from './parameters.js';
import { type Seen, watchInstance } from './watch.js';

export type RebootCall = RebootInput & { base: RebootFound; intentAt: string };

/** What the heartbeats keep over a crash. */
interface RebootMemory {
  doing: string;
  /** Epoch ms, when RDS was asked to. */
  requestedAtMs?: number;
  /** Epoch ms of the last answer of the database before it went down. */
  lastAnswerMs?: number;
}

export async function rebootInstance(deps: RebootDeps, input: RebootCall): Promise<RebootEffect> {
  const memory = recall();
  return withHeartbeat(
    () => memory,
    (signal, beat) => new Reboot(deps, input, memory, beat).run(signal),
  );
}

class Reboot {
  readonly #deps: RebootDeps;
  readonly #input: RebootCall;
  readonly #memory: RebootMemory;
  readonly #beat: () => void;
  readonly #intentMs: number;
  /** Of the server that this attempt itself sends into the restart. */
  #formerStart: string | undefined;
  #asked = false;
  #wasAway = false;
  #backAtMs: number | undefined;
  #latest: DatabaseAnswer | undefined;
  #restarted = false;

  constructor(deps: RebootDeps, input: RebootCall, memory: RebootMemory, beat: () => void) {
    this.#deps = deps;
    this.#input = input;
    this.#memory = memory;
    this.#beat = beat;
    this.#intentMs = Date.parse(input.intentAt);
  }

  async run(signal: AbortSignal): Promise<RebootEffect> {
    await this.#untilAvailable(signal);
    const restarted = this.#restarted;
    if (!restarted && !(await this.#prepare(signal)))
      return { rebooted: false, startedAt: this.#startedAt(), parameters: await this.#readParameters() };
    const patience = patientSignal();
    try {
      if (!restarted) await this.#request();
      await this.#untilBack(patience.signal);
    } finally {
      patience.release();
    }
    signal.throwIfAborted();
    return this.#conclude();
  }

  /** Nothing has been touched yet, unless by an attempt before. */
  async #untilAvailable(signal: AbortSignal): Promise<void> {
    const { rdsInstance } = this.#input.step.config;
    this.#tell(`waiting until ${rdsInstance} is available`);
    await watchInstance(this.#deps, this.#input, {
      isOver: (seen) => {
        this.#restarted = this.#hasRestarted(seen);
        return seen.state.status === 'available' && seen.state.parameterApplyStatus !== 'applying';
      },
      sinceMs: this.#intentMs,
      onAnswer: (answer) => this.#note(answer),
      fail: (why) => invalid(`${rdsInstance} does not become available: ${why}.`),
      signal,
    });
  }

  /** @returns whether there is something to restart for */
  async #prepare(signal: AbortSignal): Promise<boolean> {
    const { step } = this.#input;
    const { rdsInstance } = step.config;
    const inspection = await inspect(this.#deps, this.#input, signal);
    requireSame(this.#input, inspection);
    const { state, configured, database, settings } = inspection;
    const pending = listPending(configured, settings);
    if (state.parameterApplyStatus !== 'pending-reboot' && pending.length === 0) return false;
    refuseLowering(step, settings, configured);
    if (database?.kind === 'down') {
      throw new Error(
        `The database of ${rdsInstance} does not answer before the reboot (${database.message}): nobody could tell when it is back. Nothing was restarted.`,
      );
    }
    if (database?.kind === 'up') this.#formerStart = database.startedAt;
    signal.throwIfAborted();
    return true;
  }

  /** An answer that was lost, and a reboot that somebody else began, are told by the state of the instance. */
  async #request(): Promise<void> {
    const { rdsInstance: instance, region } = this.#input.step.config;
    this.#memory.requestedAtMs = this.#deps.clock.now();
    this.#tell(`restarting ${instance}`);
    try {
      await this.#deps.rds.reboot({ instance, region });
    } catch (error) {
      const { status } = await this.#deps.rds.describeInstance({ instance, region });
      if (status !== 'rebooting') throw error;
    }
  }

  async #untilBack(signal: AbortSignal): Promise<void> {
    const { rdsInstance } = this.#input.step.config;
    this.#tell(`waiting until ${rdsInstance} is back`);
    await watchInstance(this.#deps, this.#input, {
      isOver: (seen) => {
        const { status, parameterApplyStatus } = seen.state;
        return status === 'available' && parameterApplyStatus === 'in-sync' && this.#hasRestarted(seen);
      },
      sinceMs: this.#intentMs,
      onAnswer: (answer) => this.#note(answer),
      fail: (why) => gateFailed(this.#input, `${rdsInstance} was restarted and is not back: ${why}.`),
      signal,
    });
    this.#backAtMs ??= this.#deps.clock.now();
  }

  #note(answer: DatabaseAnswer): void {
    this.#latest = answer;
    const nowMs = this.#deps.clock.now();
    if (this.#isNew(answer)) {
      // One that was new when this attempt first asked came back while nobody was looking.
      this.#backAtMs ??= this.#asked ? nowMs : answer.startedAtMs;
      return;
    }
    this.#asked = true;
    // Full, it may be the one as well as the other.
    if (answer.kind === 'full' && this.#wasAway) return;
    this.#wasAway = answer.kind === 'down';
    if (!this.#wasAway) this.#memory.lastAnswerMs = nowMs;
  }

  /** Two answers of one server bear the same start, whatever the clocks say. */
  #isNew(answer: DatabaseAnswer | undefined): answer is DatabaseAnswer & { kind: 'up' } {
    if (answer?.kind !== 'up') return false;
    if (this.#formerStart !== undefined) return answer.startedAt !== this.#formerStart;
    return answer.startedAtMs > this.#intentMs && answer.startedAt !== this.#input.base.startedAt;
  }

  #hasRestarted({ database, restartedByEvent }: Seen): boolean {
    return database?.kind === 'up' ? this.#isNew(database) : restartedByEvent;
  }

  async #readParameters(): Promise<ParametersMade> {
    return (await readParameters(this.#deps.rds, this.#input.step)).now;
  }

  async #conclude(): Promise<RebootEffect> {
    const { rdsInstance, maxOutageMs } = this.#input.step.config;
    const { lastAnswerMs, requestedAtMs = this.#intentMs } = this.#memory;
    const backAtMs = this.#backAtMs ?? this.#deps.clock.now();
    const outMs = Math.max(0, Math.round(backAtMs - (lastAnswerMs ?? requestedAtMs)));
    if (outMs > maxOutageMs) {
      const how = lastAnswerMs === undefined ? ', counted from the call since nobody measured it' : '';
      throw gateFailed(
        this.#input,
        `${rdsInstance} was out for ${formatDuration(outMs)}${how}, expected at most ${formatDuration(maxOutageMs)}. It is back.`,
      );
    }
    return {
      rebooted: true,
      outageMs: lastAnswerMs === undefined ? undefined : outMs,
      startedAt: this.#startedAt(),
      parameters: await this.#readParameters(),
    };
  }

  #startedAt(): string | undefined {
    return this.#latest?.kind === 'up' ? this.#latest.startedAt : undefined;
  }

  #tell(doing: string): void {
    this.#memory.doing = doing;
    this.#beat();
  }
}

/** Aborted for everything but a cancel: then another worker goes on with this. */
function patientSignal(): { signal: AbortSignal; release: () => void } {
  const context = Context.current();
  const { cancellationSignal } = context;
  const patient = new AbortController();
  const onAbort = () => {
    if (!context.cancellationDetails?.cancelRequested) patient.abort(cancellationSignal.reason);
  };
  if (cancellationSignal.aborted) onAbort();
  cancellationSignal.addEventListener('abort', onAbort, { once: true });
  return {
    signal: patient.signal,
    release: () => cancellationSignal.removeEventListener('abort', onAbort),
  };
}

/** @throws `Drift` when the restart would do something else than what was looked at */
function requireSame({ step, base }: RebootCall, { state, configured }: Inspection): void {
  const { rdsInstance } = step.config;
  const refuse = (what: string, found: string, expected: string) =>
    drift(
      `${rdsInstance} has another ${what} than the one looked at: ${found}, expected ${expected}. Nothing was restarted.`,
      { item: rdsInstance, found, expected },
    );
  if (state.parameterGroup !== base.parameterGroup) {
    throw refuse('parameter group', state.parameterGroup, base.parameterGroup);
  }
  if (state.multiAz !== base.multiAz) {
    throw refuse('layout', describeZones(state.multiAz), describeZones(base.multiAz));
  }
  // What a plan announces by an expectation an earlier step may well have set since.
  const now = listUnannounced(configured, listExpected(step));
  const { unannounced } = base;
  if (unannounced === undefined) return;
  const names = [...Object.keys(unannounced), ...Object.keys(now)];
  const changed = names.find((name) => now[name] !== unannounced[name]);
  if (changed === undefined) return;
  throw refuse(`value of ${changed}`, now[changed] ?? 'none', unannounced[changed] ?? 'none');
}

function describeZones(multiAz: boolean): string {
  return multiAz ? 'multi-AZ' : 'single-AZ';
}

function gateFailed({ step }: RebootInput, message: string): ApplicationFailure {
  const details = [{ step: step.name }];
  return ApplicationFailure.create({ type: FAILURES.gate, message, nonRetryable: true, details });
}

function recall(): RebootMemory {
  const kept: unknown = Context.current().info.heartbeatDetails;
  const lastAnswerMs =
    isRecord(kept) && typeof kept.lastAnswerMs === 'number' ? kept.lastAnswerMs : undefined;
  return { doing: 'asking', lastAnswerMs };
}
