/**
 * The journal of a systemd unit. Each entry bears a cursor; reading goes on at the entry that was read last, and not
 * after it: when it is not there any more, the journal has been cut and something is missing.
 */
import type { Json } from '../../../plan/resolved.js';
import { isObject, parseJson } from '../endpoint.js';
import { type Host, linesOf } from './host.js';
import { type LogBatch, type LogFrom, type LogLine, type LogSource, LogUnread } from './source.js';

interface Entry extends LogLine {
  cursor?: string;
}

export function createJournalSource(host: Host, unit: string): LogSource {
  return {
    async *batches(from) {
      const journal = new Journal(host, unit, from);
      yield* journal.readToNow();
      if (from.follow) yield* journal.goOn();
    },
  };
}

class Journal {
  readonly #host: Host;
  readonly #unit: string;
  readonly #from: LogFrom;
  #cursor: string | undefined;

  constructor(host: Host, unit: string, from: LogFrom) {
    this.#host = host;
    this.#unit = unit;
    this.#from = from;
    this.#cursor = typeof from.cursor === 'string' ? from.cursor : undefined;
  }

  async *readToNow(): AsyncGenerator<LogBatch> {
    const before = this.#cursor;
    for await (const entries of this.#entries(this.#start())) {
      const fresh = this.#pass(entries);
      yield { ...this.#batch(fresh.lines), ...(fresh.gap === undefined ? {} : { gap: fresh.gap }) };
    }
    if (before === undefined && this.#cursor === undefined) yield* this.#newestEver();
    const isCut = before !== undefined && this.#cursor === before && !this.#boundarySeen;
    yield { ...this.#batch([]), caughtUp: true, ...(isCut ? { gap: this.#cut() } : {}) };
  }

  async *goOn(): AsyncGenerator<LogBatch> {
    this.#boundarySeen = false;
    for await (const entries of this.#entries([...this.#start(), '--follow', '--no-tail'])) {
      const { lines, gap } = this.#pass(entries);
      if (lines.length === 0 && gap === undefined) continue;
      yield { ...this.#batch(lines), caughtUp: true, ...(gap === undefined ? {} : { gap }) };
    }
  }

  /** The entry that was read last, or one that shows that it is gone, has come. */
  #boundarySeen = false;

  /** Entries that have not been read yet. */
  #pass(entries: Entry[]): { lines: LogLine[]; gap?: string } {
    const boundary = this.#cursor;
    const isFirst = boundary !== undefined && !this.#boundarySeen;
    this.#boundarySeen = true;
    const isThere = isFirst && entries[0]?.cursor === boundary;
    this.#cursor = entries.findLast(({ cursor }) => cursor !== undefined)?.cursor ?? this.#cursor;
    return {
      lines: isThere ? entries.slice(1) : entries,
      ...(isFirst && !isThere ? { gap: this.#cut() } : {}),
    };
  }

  #cut(): string {
    return `the journal of ${this.#host.name} no longer has the entry that was read last`;
  }

  /** A unit that has never said anything may be misspelt: its silence is no evidence. */
  async *#newestEver(): AsyncGenerator<LogBatch> {
    for await (const entries of this.#entries(['--lines=1'])) {
      const { lines } = this.#pass(entries);
      const { sinceMs = 0 } = this.#from;
      yield this.#batch(lines.filter(({ atMs = 0 }) => atMs >= sinceMs));
    }
    if (this.#cursor !== undefined) return;
    throw new LogUnread(
      'inconclusive',
      `the journal of ${this.#host.name} has no entry of unit ${this.#unit}: check its name with systemctl status`,
    );
  }

  #start(): string[] {
    if (this.#cursor !== undefined) return [`--cursor=${this.#cursor}`];
    const { sinceMs } = this.#from;
    return sinceMs === undefined ? [] : [`--since=@${Math.floor(sinceMs / 1000)}`];
  }

  /** `--all`, because a message above 4 KB is left out otherwise. */
  async *#entries(which: string[]): AsyncGenerator<Entry[]> {
    const argv = ['journalctl', `--unit=${this.#unit}`, '--output=json', '--output-fields=MESSAGE', '--all'];
    const lines = linesOf(this.#host, [...argv, '--no-pager', ...which], this.#from);
    for (;;) {
      const next = await lines.next();
      if (next.done) return this.#requireAccess(next.value);
      const entries = next.value.filter((line) => !line.startsWith('-- ')).map(readEntry);
      if (entries.length > 0) yield entries;
    }
  }

  /** journalctl shows what it may, and is content with that. */
  #requireAccess(stderr: string): void {
    if (!/not seeing messages|insufficient permissions/i.test(stderr)) return;
    throw new LogUnread(
      'inconclusive',
      `the user on ${this.#host.name} may not read the whole journal: add it to the group systemd-journal`,
    );
  }

  #batch(lines: LogLine[]): LogBatch {
    return {
      lines: lines.map(({ text, atMs }) => ({ text, atMs })),
      cursor: this.#cursor ?? null,
      caughtUp: false,
    };
  }
}

function readEntry(line: string): Entry {
  const entry = parseJson(line);
  // Longer than 64 KB, and cut: it is matched as it is.
  if (!isObject(entry)) return { text: line };
  const us = Number(entry.__REALTIME_TIMESTAMP);
  return {
    text: textOf(entry.MESSAGE),
    atMs: Number.isFinite(us) ? Math.floor(us / 1000) : undefined,
    cursor: typeof entry.__CURSOR === 'string' ? entry.__CURSOR : undefined,
  };
}

/** What is no UTF-8 comes as a list of bytes; a field that is there twice as a list of texts. */
function textOf(message: Json | undefined): string {
  if (typeof message === 'string') return message;
  if (!Array.isArray(message)) return '';
  const bytes = message.filter((entry) => typeof entry === 'number');
  if (bytes.length === message.length) return Buffer.from(bytes).toString('utf8');
  return message.filter((entry) => typeof entry === 'string').join('\n');
}
