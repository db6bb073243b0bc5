/**
 * A followed probe in a monitor.
 *
 * A change that makes it fail counts at once, as the sample that is due next; those that come before that sample is
 * over count beside it. As long as nothing changes, each sample due finds what was told last. A gap counts at once as
 * `inconclusive`. A stream that is lost is an `error` at each sample due until it is back.
 */
import type { ProbeTally, SampleInput } from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import type { Json, MonitoredProbe } from '../../plan/resolved.js';
import type { FollowedSample } from '../sampler.js';
import { openSlot, slotAt } from './slots.js';
import { judgeStanding, ProbeStream, type StreamDeps } from './stream.js';
import { count, note } from './tally.js';

export interface Book {
  tally(): ProbeTally;
  /** Ends the monitor when a limit is breached. */
  keep(tally: ProbeTally, measurement: Measurement): void;
}

export class FollowedProbe {
  readonly #deps: StreamDeps;
  readonly #input: Pick<SampleInput, 'subject' | 'startedAtMs' | 'untilMs'>;
  readonly #probe: MonitoredProbe;
  readonly #book: Book;
  readonly #stream: ProbeStream;
  /** Until then everything was seen. Epoch ms. */
  #seenMs: number;
  /** Why the connection that is being made begins somewhere else than the last one ended. */
  #forgotten: string | undefined;

  constructor(
    deps: StreamDeps,
    input: Pick<SampleInput, 'subject' | 'startedAtMs' | 'untilMs'>,
    probe: MonitoredProbe,
    book: Book,
  ) {
    this.#deps = deps;
    this.#input = input;
    this.#probe = probe;
    this.#book = book;
    this.#stream = new ProbeStream(deps, input.subject, probe);
    const { last } = book.tally();
    const saw = last?.outcome === 'pass' || last?.outcome === 'fail';
    this.#seenMs = saw ? Date.parse(last.at) : input.startedAtMs;
  }

  /** Until the window is over. Rejects with the signal's reason, after the stream has ended. */
  async run(end: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { startedAtMs, untilMs } = this.#input;
    const firstMs = Math.min(startedAtMs + this.#probe.limits.initialDelayMs, untilMs);
    await clock.sleep(firstMs - clock.now(), end);
    const over = new AbortController();
    const ended = AbortSignal.any([end, over.signal]);
    const following = this.#stream
      .run(
        ended,
        (sample) => this.#take(sample),
        () => this.#recallCursor(),
      )
      .catch((error: unknown) => {
        if (!over.signal.aborted) throw error;
      });
    try {
      await Promise.race([this.#takeSamples(end), following]);
    } finally {
      over.abort(OVER);
      await following;
    }
  }

  async #takeSamples(end: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { startedAtMs, untilMs } = this.#input;
    for (;;) {
      const dueMs = openSlot(this.#probe, startedAtMs, this.#book.tally().nextDueMs, clock.now());
      if (dueMs >= untilMs) return clock.sleep(untilMs - clock.now(), end);
      await clock.sleep(dueMs - clock.now(), end);
      if (this.#isTaken(dueMs)) continue;
      const standing = await this.#stream.standing(end);
      end.throwIfAborted();
      // It has told of a failure meanwhile, which is this sample.
      if (this.#isTaken(dueMs)) continue;
      const tally = this.#book.tally();
      const { measurement, windows } = judgeStanding(standing, this.#probe, tally.windows, clock.now());
      if ('sample' in standing && standing.sample.isEvidence) this.#seenMs = clock.now();
      const nextDueMs = dueMs + this.#probe.limits.intervalMs;
      this.#book.keep({ ...count(tally, measurement), windows, nextDueMs }, measurement);
    }
  }

  /** Null: there was one, too large to be kept. */
  #recallCursor(): Json | undefined {
    const { cursor } = this.#book.tally();
    if (cursor === null) this.#forgotten = 'where it had been followed to could not be kept';
    return cursor ?? undefined;
  }

  #isTaken(dueMs: number): boolean {
    return this.#book.tally().nextDueMs > dueMs;
  }

  #take(sample: FollowedSample): void {
    const before = this.#book.tally();
    const { cursor = before.cursor } = sample;
    const gap = sample.gap ?? (sample.isEvidence ? this.#forgotten : undefined);
    if (sample.isEvidence) this.#forgotten = undefined;
    if (gap !== undefined) this.#takeGap(gap);
    const { measurement, windows } = sample.judge(before.windows);
    const tally = { ...this.#book.tally(), ...(cursor === undefined ? {} : { cursor }) };
    const turned = measurement.outcome === 'fail' && before.last?.outcome !== 'fail';
    if (sample.isEvidence) this.#seenMs = this.#deps.clock.now();
    if (sample.isEvidence && turned) {
      this.#book.keep({ ...this.#takeSlot(count(tally, measurement), true), windows }, measurement);
    } else if (sample.isEvidence && gap === undefined) {
      this.#book.keep(note(tally, measurement), measurement);
    } else {
      this.#book.keep(tally, measurement);
    }
  }

  #takeGap(why: string): void {
    const nowMs = this.#deps.clock.now();
    const [from, to] = [this.#seenMs, nowMs].map((ms) => new Date(ms).toISOString());
    const measurement: Measurement = {
      probe: this.#probe.name,
      at: new Date(nowMs).toISOString(),
      durationMs: 0,
      outcome: 'inconclusive',
      message: `not everything was seen from ${from} to ${to}: ${why}`,
      values: {},
    };
    this.#book.keep(this.#takeSlot(count(this.#book.tally(), measurement), false), measurement);
  }

  /** The sample that is due now, else the next one; a sample that is evidence already is so only once. */
  #takeSlot(tally: ProbeTally, isEvidence: boolean): ProbeTally {
    const { startedAtMs } = this.#input;
    const { intervalMs } = this.#probe.limits;
    const nowMs = this.#deps.clock.now();
    const dueMs = openSlot(this.#probe, startedAtMs, tally.nextDueMs, nowMs);
    const nextMs = slotAt(this.#probe, startedAtMs, nowMs) + intervalMs;
    if (dueMs <= nextMs) return { ...tally, nextDueMs: dueMs + intervalMs };
    return isEvidence ? { ...tally, early: (tally.early ?? 0) + 1 } : tally;
  }
}

const OVER = new Error('the window is over');
