/** A followed probe: what it says now, and the connection that tells it, made anew whenever it is lost. */
import type { Subject } from '../../contract/activities.js';
import type { Json, MonitoredProbe } from '../../plan/resolved.js';
import type { Clock } from '../clock.js';
import type { FollowedSample, Sampled, Sampler } from '../sampler.js';

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

export interface StreamDeps {
  sampler: Sampler;
  clock: Clock;
}

/** What a sample that is due finds: judged then, or the reason why nothing is known. */
export type Standing = { sample: FollowedSample } | { error: string };

export class ProbeStream {
  readonly #deps: StreamDeps;
  readonly #subject: Subject;
  readonly #probe: MonitoredProbe;
  /** Undefined while a connection is being made. */
  #standing: Standing | undefined;
  #settled = () => {};

  constructor(deps: StreamDeps, subject: Subject, probe: MonitoredProbe) {
    this.#deps = deps;
    this.#subject = subject;
    this.#probe = probe;
  }

  /**
   * Follows until the signal ends it, and begins again from the cursor whenever the stream has ended.
   * @param take every sample as it comes
   * @param cursorOf the newest that is kept
   */
  async run(
    signal: AbortSignal,
    take: (sample: FollowedSample) => void,
    cursorOf: () => Json | undefined,
  ): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    for (;;) {
      let last: FollowedSample | undefined;
      for await (const sample of this.#deps.sampler.follow(this.#subject, this.#probe, signal, cursorOf())) {
        last = sample;
        if (sample.isEvidence) retryMs = FIRST_RETRY_MS;
        take(sample);
        this.#settle({ sample });
      }
      signal.throwIfAborted();
      // What was good until now is asked for again before anybody calls it lost.
      if (last?.isEvidence) this.#standing = undefined;
      else if (!last) this.#settle({ error: 'it could not be followed' });
      await this.#deps.clock.sleep(retryMs, signal);
      retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
    }
  }

  /** Waits for a connection that is being made, as long as a sample may take. Rejects with the signal's reason. */
  async standing(signal: AbortSignal): Promise<Standing> {
    if (this.#standing) return this.#standing;
    const left = new AbortController();
    const { timeoutMs } = this.#probe;
    const late = this.#deps.clock
      .sleep(timeoutMs, AbortSignal.any([signal, left.signal]))
      .then(() => ({ error: `nothing came within ${timeoutMs} ms` }));
    const settled = new Promise<Standing>((resolve) => {
      this.#settled = () => this.#standing && resolve(this.#standing);
    });
    try {
      return await Promise.race([settled, late]);
    } finally {
      left.abort();
      late.catch(() => {});
    }
  }

  #settle(standing: Standing): void {
    this.#standing = standing;
    this.#settled();
  }
}

/** A measurement of a stream that tells nothing. */
export function judgeStanding(
  standing: Standing,
  probe: MonitoredProbe,
  windows: Record<string, number[]>,
  nowMs: number,
): Pick<Sampled, 'measurement' | 'windows'> {
  if ('sample' in standing) return standing.sample.judge(windows);
  const at = new Date(nowMs).toISOString();
  const measurement = { probe: probe.name, at, durationMs: 0, outcome: 'error' as const, values: {} };
  return { measurement: { ...measurement, message: standing.error }, windows };
}
