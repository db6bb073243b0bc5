/** Counts in files that grow: a file is read once from its beginning, and from then on only what was added. */
import { type FileHandle, open } from 'node:fs/promises';
import type { NoSample } from '../endpoint.js';
import { LineCounter, type LogCount } from './line-counter.js';

const CHUNK_BYTES = 256 * 1024;
/** The rest of a longer line is skipped. */
const LONGEST_LINE_BYTES = 64 * 1024;
const MOST_FILES = 50;
const NEWLINE = 10;

interface Cursor {
  inode: number;
  offset: number;
  counter: LineCounter;
}

/** Remembers by file, pattern and start how far it has read. Another file in its place, or a shorter one, is read anew. */
export class FileCounters {
  readonly #cursors = new Map<string, Cursor>();

  async count(
    path: string,
    pattern: RegExp,
    sinceMs: number | undefined,
    signal: AbortSignal,
  ): Promise<LogCount | NoSample> {
    const key = JSON.stringify([path, pattern.source, sinceMs ?? null]);
    try {
      const file = await open(path, 'r');
      try {
        const cursor = await this.#cursorOf(key, file, new LineCounter(pattern, sinceMs));
        const { end, rest } = await readLines(file, cursor, signal);
        this.#remember(key, end);
        return rest.result();
      } finally {
        await file.close();
      }
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'inconclusive', message: `${path}: ${explain(error)}` };
    }
  }

  async #cursorOf(key: string, file: FileHandle, fresh: LineCounter): Promise<Cursor> {
    const { ino, size } = await file.stat();
    const known = this.#cursors.get(key);
    const goesOn = known !== undefined && known.inode === ino && known.offset <= size;
    return goesOn ? { ...known, counter: known.counter.copy() } : { inode: ino, offset: 0, counter: fresh };
  }

  #remember(key: string, cursor: Cursor): void {
    this.#cursors.delete(key);
    this.#cursors.set(key, cursor);
    const oldest = this.#cursors.size > MOST_FILES ? this.#cursors.keys().next().value : undefined;
    if (oldest !== undefined) this.#cursors.delete(oldest);
  }
}

/**
 * @returns where the last whole line ends, and the counts with a last line that has no end yet: it is counted now
 * and read again next time
 */
async function readLines(
  file: FileHandle,
  from: Cursor,
  signal: AbortSignal,
): Promise<{ end: Cursor; rest: LineCounter }> {
  const { counter } = from;
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let pending: Buffer = Buffer.alloc(0);
  let position = from.offset;
  let lineStart = from.offset;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) break;
    const chunk = buffer.subarray(0, bytesRead);
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      counter.take(textOf(pending, chunk.subarray(start, at)));
      pending = Buffer.alloc(0);
      start = at + 1;
      lineStart = position + start;
    }
    pending = Buffer.concat([pending, chunk.subarray(start)]).subarray(0, LONGEST_LINE_BYTES);
    position += bytesRead;
  }
  const end = { ...from, offset: lineStart };
  if (pending.length === 0) return { end, rest: counter };
  const rest = counter.copy();
  rest.take(textOf(pending, Buffer.alloc(0)));
  return { end, rest };
}

function textOf(pending: Buffer, tail: Buffer): string {
  const bytes = pending.length === 0 ? tail : Buffer.concat([pending, tail]);
  const text = bytes.toString('utf8', 0, Math.min(bytes.length, LONGEST_LINE_BYTES));
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

const REASONS: Record<string, string> = {
  ENOENT: 'no such file on the worker',
  EACCES: 'the worker may not read it',
  EISDIR: 'it is a folder; name a file',
};

function explain(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return `${REASONS[code] ?? 'it cannot be read'}${code ? ` (${code})` : ''}`;
}
