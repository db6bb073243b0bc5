/**
 * One window of a monitor: every probe at its own pace, until the window ends or a limit is breached.
 *
 * Samples are due at `startedAtMs + initialDelay + n × interval`, so that no restart shifts them. A slot that is
 * still open is taken late; one that has passed is not made up for: coverage falls. Two samples of one probe never
 * overlap. The counts are the result; heartbeats keep them over a crash.
 *
 * A probe that is followed is judged with every change (see followed.ts). Beside the probes the fences are read (see
 * guard.ts): what somebody else has changed ends the window as a breach does.
 */
import { setMaxListeners } from 'node:events';
import { Context } from '@temporalio/activity';
import type { HeadgateActivities, ProbeTally, SampleInput, SamplerState } from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import type { MonitoredProbe } from '../../plan/resolved.js';
import type { Clock } from '../clock.js';
import type { FenceReader } from '../fences.js';
import { isRecord, withHeartbeat } from '../heartbeat.js';
import type { Sampler } from '../sampler.js';
import { FollowedProbe } from './followed.js';
import { guard } from './guard.js';
import { openSlot } from './slots.js';
import { breachedLimit, count, fitState, newTally } from './tally.js';

export interface MonitorDeps {
  sampler: Sampler;
  clock: Clock;
  fences: FenceReader;
}

export function createMonitorActivities(deps: MonitorDeps) {
  return {
    async sampleProbes(input) {
      const state = recall(input);
      if (state.breach || state.tainted) return state;
      return withHeartbeat(
        () => ({ state }),
        async (signal) => {
          await new Watch(deps, input, state).run(signal);
          fitState(state);
          return state;
        },
      );
    },
  } satisfies Pick<HeadgateActivities, 'sampleProbes'>;
}

class Watch {
  readonly #deps: MonitorDeps;
  readonly #input: SampleInput;
  readonly #state: SamplerState;
  readonly #ended = new AbortController();

  constructor(deps: MonitorDeps, input: SampleInput, state: SamplerState) {
    this.#deps = deps;
    this.#input = input;
    this.#state = state;
  }

  /** Rejects with the signal's reason, after every probe has ended. */
  async run(signal: AbortSignal): Promise<void> {
    const end = AbortSignal.any([signal, this.#ended.signal]);
    // Every probe waits on it; Node takes more than ten for a leak.
    setMaxListeners(0, end);
    const watching = this.#input.probes.map((probe) =>
      (this.#deps.sampler.isFollowed(probe) ? this.#follow(probe, end) : this.#watch(probe, end)).catch(
        (error) => this.#end(error),
      ),
    );
    watching.push(this.#untilEnd(end).catch((error) => this.#end(error)));
    watching.push(this.#guard(end).catch((error) => this.#end(error)));
    await Promise.all(watching);
    signal.throwIfAborted();
    const { aborted, reason } = this.#ended.signal;
    if (aborted && reason !== BREACH && reason !== TAINTED) throw reason;
  }

  /** The first reason to end is the one that counts. */
  #end(reason: unknown): void {
    this.#ended.abort(reason);
  }

  async #untilEnd(end: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    await clock.sleep(this.#input.untilMs - clock.now(), end);
  }

  async #guard(end: AbortSignal): Promise<void> {
    const tainted = await guard(this.#deps, this.#input, this.#state, end);
    if (tainted.length === 0 || this.#state.breach) return;
    this.#state.tainted = tainted;
    this.#end(TAINTED);
  }

  async #watch(probe: MonitoredProbe, end: AbortSignal): Promise<void> {
    const { clock, sampler } = this.#deps;
    for (;;) {
      const before = this.#tallyOf(probe);
      const dueMs = openSlot(probe, this.#input.startedAtMs, before.nextDueMs, clock.now());
      if (dueMs >= this.#input.untilMs) return;
      await clock.sleep(dueMs - clock.now(), end);
      const sampled = await sampler.sampleOnce(this.#input.subject, probe, end, before.windows);
      end.throwIfAborted();
      const nextDueMs = dueMs + probe.limits.intervalMs;
      const tally = { ...count(before, sampled.measurement), windows: sampled.windows, nextDueMs };
      this.#keep(probe, tally, sampled.measurement);
      if (this.#state.breach) return;
    }
  }

  #follow(probe: MonitoredProbe, end: AbortSignal): Promise<void> {
    const followed = new FollowedProbe(this.#deps, this.#input, probe, {
      tally: () => this.#tallyOf(probe),
      keep: (tally, measurement) => this.#keep(probe, tally, measurement),
    });
    return followed.run(end);
  }

  /** The first breach is the one that counts. */
  #keep(probe: MonitoredProbe, tally: ProbeTally, measurement: Measurement): void {
    if (this.#state.breach) return;
    this.#state.tallies[probe.name] = tally;
    const limit = breachedLimit(tally, probe.limits);
    if (limit) this.#state.breach = { probe: probe.name, limit, measurement };
    fitState(this.#state);
    if (limit) this.#end(BREACH);
  }

  #tallyOf({ name, limits }: MonitoredProbe): ProbeTally {
    return this.#state.tallies[name] ?? newTally(this.#input.startedAtMs + limits.initialDelayMs);
  }
}

const BREACH = new Error('a limit is breached');
const TAINTED = new Error('somebody else has changed what is watched');

/** A repeated attempt goes on from its last heartbeat, unless the window before knows more. */
function recall({ state = { tallies: {} } }: SampleInput): SamplerState {
  const kept: unknown = Context.current().info.heartbeatDetails;
  const known = isRecord(kept) && isSamplerState(kept.state) ? kept.state : undefined;
  return structuredClone(known && samplesOf(known) >= samplesOf(state) ? known : state);
}

function samplesOf({ tallies }: SamplerState): number {
  return Object.values(tallies).reduce((sum, { taken }) => sum + taken, 0);
}

function isSamplerState(state: unknown): state is SamplerState {
  return isRecord(state) && isRecord(state.tallies) && Object.values(state.tallies).every(isTally);
}

function isTally(tally: unknown): tally is ProbeTally {
  return (
    isRecord(tally) &&
    typeof tally.taken === 'number' &&
    typeof tally.nextDueMs === 'number' &&
    isRecord(tally.windows)
  );
}
