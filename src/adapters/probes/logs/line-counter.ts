/** Counts matching lines, by the time that they carry. */

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
  /** The newest matching lines since the start. */
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
  #lines: string[] = [];
  #oldestMs: number | undefined;
  #newestMs: number | undefined;
  #atMs: number | undefined;

  constructor(pattern: RegExp, sinceMs: number | undefined) {
    this.#pattern = pattern;
    this.#sinceMs = sinceMs;
  }

  take(line: string): void {
    this.#atMs = timeOf(line) ?? this.#atMs;
    if (this.#atMs !== undefined) {
      this.#oldestMs ??= this.#atMs;
      this.#newestMs = this.#atMs;
    }
    if (!this.#pattern.test(line.slice(0, LONGEST_MATCHED))) return;
    if (this.#atMs !== undefined && this.#sinceMs !== undefined && this.#atMs < this.#sinceMs) {
      if (this.#atMs >= this.#sinceMs - HOUR_MS) this.#before += 1;
      return;
    }
    this.#since += 1;
    this.#lines = [...this.#lines, line.slice(0, LONGEST_KEPT)].slice(-MOST_LINES);
    if (this.#atMs !== undefined) this.#countMinute(Math.floor(this.#atMs / MINUTE_MS));
  }

  result(): LogCount {
    return {
      since: this.#since,
      before: this.#before,
      byMinute: new Map(this.#byMinute),
      lines: [...this.#lines],
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

  #countMinute(minute: number): void {
    this.#byMinute.set(minute, (this.#byMinute.get(minute) ?? 0) + 1);
    if (this.#byMinute.size <= RECENT_MINUTES) return;
    this.#byMinute.delete(Math.min(...this.#byMinute.keys()));
  }
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
