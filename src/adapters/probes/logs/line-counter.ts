/** Counts matching lines, by the time that they carry. */
import type { Json } from '../../../plan/resolved.js';
import { matchInTime } from '../../../platform/pattern.js';
import { isObject } from '../endpoint.js';
import type { LogLine } from './source.js';

const MOST_LINES = 3;
const LONGEST_KEPT = 500;
/** A line beyond this is matched by its beginning. */
const LONGEST_MATCHED = 16 * 1024;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Minutes of matches that are kept one by one, for the rate of now. */
const RECENT_MINUTES = 10;

export interface LogCount {
  /** Matching lines since the start, or all of them when nothing tells the time. */
  since: number;
  /** Matching lines in the hour before the start. */
  before: number;
  /** Matching lines since the start by minute (epoch minutes), the newest minutes. */
  byMinute: ReadonlyMap<number, number>;
  /** The newest matching lines since the start, by their time. */
  lines: string[];
  /** Time of the first and of the newest line that carry one, ISO 8601. */
  oldest?: string;
  newest?: string;
}

/** A line without a time of its own (a stack trace) belongs to the line before it. */
export class LineCounter {
  readonly #pattern: RegExp;
  readonly #sinceMs: number | undefined;
  #since = 0;
  #before = 0;
  readonly #byMinute = new Map<number, number>();
  #lines: { text: string; atMs?: number }[] = [];
  #oldestMs: number | undefined;
  #newestMs: number | undefined;
  #atMs: number | undefined;

  constructor(pattern: RegExp, sinceMs: number | undefined) {
    this.#pattern = pattern;
    this.#sinceMs = sinceMs;
  }

  /** @throws SlowPatternError; what has been counted then is good for nothing */
  take(lines: LogLine[]): void {
    if (lines.length === 0) return;
    matchInTime(this.#pattern, () => {
      for (const line of lines) this.#take(line);
    });
  }

  #take({ text, atMs }: LogLine): void {
    this.#atMs = atMs ?? timeOf(text) ?? this.#atMs;
    if (this.#atMs !== undefined) {
      this.#oldestMs = Math.min(this.#oldestMs ?? this.#atMs, this.#atMs);
      this.#newestMs = Math.max(this.#newestMs ?? this.#atMs, this.#atMs);
    }
    if (!this.#pattern.test(text.slice(0, LONGEST_MATCHED))) return;
    if (this.#atMs !== undefined && this.#sinceMs !== undefined && this.#atMs < this.#sinceMs) {
      if (this.#atMs >= this.#sinceMs - HOUR_MS) this.#before += 1;
      return;
    }
    this.#since += 1;
    this.#keep(text);
    if (this.#atMs !== undefined) this.#countMinute(Math.floor(this.#atMs / MINUTE_MS), 1);
  }

  result(): LogCount {
    return {
      since: this.#since,
      before: this.#before,
      byMinute: new Map(this.#byMinute),
      lines: this.#lines.map(({ text }) => text),
      oldest: isoOf(this.#oldestMs),
      newest: isoOf(this.#newestMs),
    };
  }

  /** The same counts, going on by themselves. */
  copy(): LineCounter {
    const copy = new LineCounter(this.#pattern, this.#sinceMs);
    copy.#since = this.#since;
    copy.#before = this.#before;
    for (const [minute, count] of this.#byMinute) copy.#byMinute.set(minute, count);
    copy.#lines = [...this.#lines];
    copy.#oldestMs = this.#oldestMs;
    copy.#newestMs = this.#newestMs;
    copy.#atMs = this.#atMs;
    return copy;
  }

  /** As JSON of less than 500 bytes. Without the lines themselves: what they say is nobody else's business. */
  save(): Json {
    return {
      since: this.#since,
      before: this.#before,
      minutes: [...this.#byMinute],
      oldestMs: this.#oldestMs ?? null,
      newestMs: this.#newestMs ?? null,
      atMs: this.#atMs ?? null,
    };
  }

  /** Goes on from what `save` gave; undefined when it is something else. */
  static restore(
    pattern: RegExp,
    sinceMs: number | undefined,
    saved: Json | undefined,
  ): LineCounter | undefined {
    if (!isObject(saved) || typeof saved.since !== 'number' || typeof saved.before !== 'number') {
      return undefined;
    }
    const counter = new LineCounter(pattern, sinceMs);
    counter.#since = saved.since;
    counter.#before = saved.before;
    for (const entry of Array.isArray(saved.minutes) ? saved.minutes : []) {
      const [minute, count] = Array.isArray(entry) ? entry : [];
      if (typeof minute === 'number' && typeof count === 'number') counter.#countMinute(minute, count);
    }
    counter.#oldestMs = numberOr(saved.oldestMs);
    counter.#newestMs = numberOr(saved.newestMs);
    counter.#atMs = numberOr(saved.atMs);
    return counter;
  }

  #keep(text: string): void {
    this.#lines.push({ text: text.slice(0, LONGEST_KEPT), atMs: this.#atMs });
    if (this.#lines.length <= MOST_LINES) return;
    // Several sources are read one after the other.
    this.#lines.sort((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0)).shift();
  }

  #countMinute(minute: number, count: number): void {
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + count);
    if (this.#byMinute.size <= RECENT_MINUTES) return;
    this.#byMinute.delete(Math.min(...this.#byMinute.keys()));
  }
}

function numberOr(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

const TIME = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?/;
const EPOCH_FIELD = /"(?:time|ts|timestamp)":\s*(\d{13})\b/;

/** ISO 8601 anywhere in the first 200 characters, or pino's epoch milliseconds. Without a zone it is UTC. */
export function timeOf(line: string): number | undefined {
  const head = line.slice(0, 200);
  const epoch = EPOCH_FIELD.exec(head)?.[1];
  if (epoch) return Number(epoch);
  const text = TIME.exec(head)?.[0];
  if (!text) return undefined;
  const iso = text.replace(' ', 'T').replace(',', '.').replace(' ', '');
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
  return Number.isFinite(ms) ? ms : undefined;
}

function isoOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
