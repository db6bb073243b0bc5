/** What has been counted in a log so far, and how counting goes on: at the next sample, or line by line. */
import type { Json } from '../../../plan/resolved.js';
import { isObject } from '../endpoint.js';
import { LineCounter, type LogCount } from './line-counter.js';
import { type LogBatch, type LogFrom, type LogSource, LogUnread } from './source.js';

const MOST_LOGS = 50;

export interface Counting {
  source: LogSource;
  /** Tells one log from another. */
  key: string;
  pattern: RegExp;
  /** Lines since then are counted. Epoch ms. */
  sinceMs: number | undefined;
  /** How far back lines are of interest. Epoch ms. */
  fromMs: number | undefined;
  signal: AbortSignal;
}

interface Known {
  cursor: Json;
  counter: LineCounter;
}

/** Remembers by log, pattern and start how far it has been read, so that a sample reads only what was added. */
export class LogCounts {
  readonly #known = new Map<string, Known>();

  /** @throws LogUnread, SlowPatternError */
  async countNow(counting: Counting): Promise<LogCount> {
    const key = JSON.stringify([counting.key, counting.pattern.source, counting.sinceMs ?? null]);
    const known = this.#known.get(key);
    const found = (known && (await readOn(counting, known))) ?? (await readOn(counting));
    if (!found) throw new LogUnread('inconclusive', 'the log changed while it was read');
    this.#remember(key, found.known);
    return found.count;
  }

  #remember(key: string, known: Known): void {
    this.#known.delete(key);
    this.#known.set(key, known);
    const oldest = this.#known.size > MOST_LOGS ? this.#known.keys().next().value : undefined;
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Undefined when the log is not the one any more that has been counted: it is to be counted from its beginning. */
async function readOn(
  counting: Counting,
  known?: Known,
): Promise<{ known: Known; count: LogCount } | undefined> {
  const counter = known?.counter.copy() ?? new LineCounter(counting.pattern, counting.sinceMs);
  let last: LogBatch | undefined;
  for await (const batch of counting.source.batches(fromOf(counting, known?.cursor, false))) {
    if (batch.gap !== undefined && known) return undefined;
    counter.take(batch.lines);
    last = batch;
  }
  return last && { known: { cursor: last.cursor, counter }, count: countWith(counter, last) };
}

export interface FollowedCount {
  count: LogCount;
  cursor: Json;
  gap?: string;
}

/** The count as soon as everything that is there has been read, then after every few lines. @throws LogUnread */
export async function* followCount(counting: Counting, cursor?: Json): AsyncGenerator<FollowedCount> {
  const { pattern, sinceMs } = counting;
  const saved = isObject(cursor) ? cursor : {};
  const restored = LineCounter.restore(pattern, sinceMs, saved.count);
  const counter = restored ?? new LineCounter(pattern, sinceMs);
  let gap: string | undefined;
  for await (const batch of counting.source.batches(
    fromOf(counting, restored ? saved.log : undefined, true),
  )) {
    counter.take(batch.lines);
    gap ??= batch.gap;
    if (!batch.caughtUp) continue;
    yield {
      count: countWith(counter, batch),
      cursor: { log: batch.cursor, count: counter.save() },
      ...(gap === undefined ? {} : { gap }),
    };
    gap = undefined;
  }
}

function fromOf({ fromMs, signal }: Counting, cursor: Json | undefined, follow: boolean): LogFrom {
  return { cursor, follow, sinceMs: fromMs, signal };
}

/** A last line without an end counts now, and is taken again when it has one. */
function countWith(counter: LineCounter, { unfinished }: LogBatch): LogCount {
  if (!unfinished) return counter.result();
  const now = counter.copy();
  now.take([unfinished]);
  return now.result();
}
