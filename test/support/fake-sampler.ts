/** A sampler that answers by script, and a clock that only a test moves: gates and monitors are about order and time. */
import type { Clock } from '../../src/activities/clock.js';
import type { FenceReader } from '../../src/activities/fences.js';
import type { Sampled, Sampler } from '../../src/activities/sampler.js';
import { extendWindows, judge } from '../../src/adapters/probes/judge.js';
import type { Followed, Sample } from '../../src/adapters/probes/probe.js';
import type { Json, MonitoredProbe, ProbeLimits, ProbeSpec } from '../../src/plan/resolved.js';

interface Sleeper {
  atMs: number;
  wake: () => void;
}

/** Moves to the next sleeper whenever nothing else is left to do. */
export class ManualClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        reject(signal.reason);
      };
      const sleeper = {
        atMs: this.#nowMs + Math.max(0, ms),
        wake: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      this.#sleepers.push(sleeper);
      signal.addEventListener('abort', leave);
    });
  }

  /** Lets time pass until `work` is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const settled = work.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      if (done) break;
      const next = this.#sleepers.sort((a, b) => a.atMs - b.atMs).shift();
      if (!next) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    return settled;
  }
}

export interface Taken {
  probe: string;
  atMs: number;
}

export interface FakeSampler extends Sampler {
  taken: Taken[];
  /** Most samples of one probe at the same time. */
  overlap: number;
}

export interface FollowScript {
  nth: number;
  cursor: Json | undefined;
  signal: AbortSignal;
}

export interface FakeSamplerOptions {
  clock: Clock;
  /** The `nth` sample (from 1) of a probe. */
  answer(probe: ProbeSpec, nth: number): Sample | Promise<Sample>;
  writes?: string[];
  /** What a probe with `follow: true` tells, from its `nth` connection (from 1) on. */
  follow?(probe: ProbeSpec, from: FollowScript): AsyncIterable<Followed>;
  durationMs?: (probe: ProbeSpec, nth: number) => number;
}

export function createFakeSampler(options: FakeSamplerOptions): FakeSampler {
  const { clock } = options;
  const underway = new Map<string, number>();
  const connections = new Map<string, number>();
  const sampler: FakeSampler = {
    taken: [],
    overlap: 0,
    async sampleOnce(_subject, spec, signal, windows = {}): Promise<Sampled> {
      signal.throwIfAborted();
      sampler.taken.push({ probe: spec.name, atMs: clock.now() });
      const nth = sampler.taken.filter(({ probe }) => probe === spec.name).length;
      underway.set(spec.name, (underway.get(spec.name) ?? 0) + 1);
      sampler.overlap = Math.max(sampler.overlap, underway.get(spec.name) ?? 0);
      try {
        const durationMs = options.durationMs?.(spec, nth) ?? 0;
        if (durationMs > 0) await clock.sleep(durationMs, signal);
        const sample = await options.answer(spec, nth);
        const extended = extendWindows(windows, spec, sample);
        const at = new Date(clock.now()).toISOString();
        return {
          measurement: judge(spec, sample, { at, durationMs, windows: extended }),
          sample,
          windows: extended,
        };
      } finally {
        underway.set(spec.name, (underway.get(spec.name) ?? 1) - 1);
      }
    },
    sampleAll: (subject, specs, signal) =>
      Promise.all(specs.map((spec) => sampler.sampleOnce(subject, spec, signal))),
    isFollowed: ({ config }) => config.follow === true,
    async *follow(_subject, spec, signal, cursor) {
      const nth = (connections.get(spec.name) ?? 0) + 1;
      connections.set(spec.name, nth);
      for await (const told of options.follow?.(spec, { nth, cursor, signal }) ?? []) {
        yield {
          cursor: told.cursor,
          gap: told.gap,
          isEvidence: told.sample.kind === 'sample' || told.sample.kind === 'fail',
          judge(windows) {
            const extended = extendWindows(windows, spec, told.sample);
            const at = new Date(clock.now()).toISOString();
            const measurement = judge(spec, told.sample, { at, durationMs: 0, windows: extended });
            return { measurement, sample: told.sample, windows: extended };
          },
        };
      }
    },
    writes: ({ name }) => options.writes?.includes(name) ?? false,
    inForcePaths: ({ kind }) => (kind === 'poolMetrics' ? ['pool.limit'] : []),
  };
  return sampler;
}

/** Nobody else changes anything. */
export const UNCHANGED: FenceReader = { read: async () => undefined };

/** `pass` for `{ ok: 1 }`. */
export function probeSpec(name: string, extra: Partial<ProbeSpec> = {}): ProbeSpec {
  return { name, kind: 'http', config: {}, expect: [{ path: 'ok', equals: 1 }], timeoutMs: 1_000, ...extra };
}

export function monitoredProbe(
  name: string,
  limits: Partial<ProbeLimits>,
  extra: Partial<ProbeSpec> = {},
): MonitoredProbe {
  return {
    ...probeSpec(name, extra),
    limits: { intervalMs: 5_000, initialDelayMs: 0, consecutiveErrorLimit: 4, ...limits },
  };
}

export const PASS: Sample = { kind: 'sample', value: { ok: 1 } };
export const FAIL: Sample = { kind: 'sample', value: { ok: 0 } };
export const INCONCLUSIVE: Sample = { kind: 'inconclusive', message: 'no data' };
export const ERROR: Sample = { kind: 'error', message: 'unreachable' };
