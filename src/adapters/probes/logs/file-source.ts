/**
 * A log file on the worker. It is read once from its beginning, and from then on only what was added. When another
 * file takes its place (rotation), the one before is read to its end first.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Json } from '../../../plan/resolved.js';
import { isWorkersOwn } from '../../../platform/own-files.js';
import { isObject } from '../endpoint.js';
import { FileChanges } from './file-changes.js';
import { LineSplitter } from './line-splitter.js';
import { type LogBatch, type LogFrom, type LogSource, LogUnread } from './source.js';

const CHUNK_BYTES = 256 * 1024;
/** So much before the place is compared: a file that was emptied and has grown again is another. */
const TAIL_BYTES = 256;
const NEWLINE = Buffer.from('\n');

/** `tail`: digest of the last bytes before `offset`. */
interface Place {
  inode: number;
  offset: number;
  tail: string;
}

export function createFileSource(path: string): LogSource {
  return {
    async *batches(from) {
      if (await isWorkersOwn(path)) {
        throw new LogUnread('error', `${path} is one of the worker's own files, and no log`);
      }
      const changes = from.follow ? await FileChanges.of(path) : undefined;
      try {
        yield* from.follow && changes ? follow(path, from, changes) : readOnce(path, from);
      } catch (error) {
        from.signal.throwIfAborted();
        throw error instanceof LogUnread
          ? error
          : new LogUnread('inconclusive', `${path}: ${explain(error)}`);
      } finally {
        changes?.close();
      }
    },
  };
}

async function* readOnce(path: string, from: LogFrom): AsyncGenerator<LogBatch> {
  for (const part of await partsFrom(path, placeOf(from.cursor))) {
    const reader = await OpenLog.open(part, from.signal);
    try {
      yield* reader.readToEnd(part.isLast);
    } finally {
      await reader.close();
    }
  }
}

async function* follow(path: string, from: LogFrom, changes: FileChanges): AsyncGenerator<LogBatch> {
  let parts = await partsFrom(path, placeOf(from.cursor));
  for (;;) {
    for (const part of parts) {
      const reader = await OpenLog.open(part, from.signal);
      try {
        yield* reader.readToEnd(part.isLast);
        if (part.isLast) yield* reader.untilReplaced(path, changes);
      } finally {
        await reader.close();
      }
    }
    parts = [{ path, offset: 0, isLast: true }];
  }
}

interface Part {
  path: string;
  offset: number;
  isLast: boolean;
  gap?: string;
}

/** The files that hold what came after the place, the oldest first. */
async function partsFrom(path: string, place: Place | undefined): Promise<Part[]> {
  const anew = { path, offset: 0, isLast: true };
  if (!place) return [anew];
  if (await holds(path, place)) return [{ path, offset: place.offset, isLast: true }];
  const rotated = await findRotated(path, place);
  if (rotated) return [...rotated.parts, { ...anew, ...gapOf(rotated.compressed) }];
  return [{ ...anew, gap: `${path} has been emptied or replaced, and what it held before is gone` }];
}

/** Is the file still the one that was read up to the place? */
async function holds(path: string, { inode, offset, tail }: Place): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { ino, size } = await file.stat();
    return ino === inode && size >= offset && (await digestBefore(file, offset)) === tail;
  } finally {
    await file.close();
  }
}

interface Rotated {
  parts: Part[];
  /** Came between them, and cannot be read any more. */
  compressed?: string;
}

/** `app.log.1` beside `app.log`: the one that was read, and those that came after it. */
async function findRotated(path: string, place: Place): Promise<Rotated | undefined> {
  const folder = dirname(path);
  const start = basename(path);
  const names = (await readdir(folder)).filter((name) => name.startsWith(start) && name !== start);
  const found = await Promise.all(
    names.map(async (name) => {
      const status = await stat(join(folder, name)).catch(() => undefined);
      return status?.isFile() ? [{ path: join(folder, name), ino: status.ino, mtimeMs: status.mtimeMs }] : [];
    }),
  );
  // Of two that were written to in the same moment, the one with the higher number is the older.
  const files = found
    .flat()
    .sort((a, b) => a.mtimeMs - b.mtimeMs || b.path.localeCompare(a.path, 'en', { numeric: true }));
  const index = files.findIndex(({ ino }) => ino === place.inode);
  const [read, ...later] = index < 0 ? [] : files.slice(index);
  if (!read || !(await holds(read.path, place).catch(() => false))) return undefined;
  const compressed = later.find((file) => /\.(gz|bz2|xz|zst)$/.test(file.path));
  const readable = later.filter((file) => file !== compressed);
  return {
    parts: [
      { path: read.path, offset: place.offset, isLast: false },
      ...readable.map((file) => ({ path: file.path, offset: 0, isLast: false })),
    ],
    compressed: compressed?.path,
  };
}

function gapOf(compressed: string | undefined): { gap?: string } {
  return compressed === undefined ? {} : { gap: `${compressed} was compressed before it was read` };
}

class OpenLog {
  readonly #file: FileHandle;
  readonly #inode: number;
  readonly #signal: AbortSignal;
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  /** Where `#splitter` began. */
  #base: number;
  #position: number;
  #splitter = new LineSplitter();
  #gap: string | undefined;
  /** Digest of the last bytes that were read, to see that they are still there. */
  #tail = '';

  private constructor(file: FileHandle, inode: number, { offset, gap }: Part, signal: AbortSignal) {
    this.#file = file;
    this.#inode = inode;
    this.#signal = signal;
    this.#base = offset;
    this.#position = offset;
    this.#gap = gap;
  }

  static async open(part: Part, signal: AbortSignal): Promise<OpenLog> {
    const file = await open(part.path, 'r');
    return new OpenLog(file, (await file.stat()).ino, part, signal);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** @param present what is read is the present, and no file comes after this one */
  async *readToEnd(present: boolean): AsyncGenerator<LogBatch> {
    for (;;) {
      this.#signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK_BYTES, this.#position);
      this.#position += bytesRead;
      const lines = this.#splitter.push(this.#buffer.subarray(0, bytesRead));
      const atEnd = bytesRead < CHUNK_BYTES;
      // Nobody will ever end the last line of a file that another has replaced.
      if (atEnd && !present && this.#splitter.unfinished() !== undefined) {
        lines.push(...this.#splitter.push(NEWLINE));
      }
      yield await this.#batch(lines, atEnd && present);
      if (atEnd) return;
    }
  }

  /** Ends when another file stands at `path` and has something in it: until then this one may still be written to. */
  async *untilReplaced(path: string, changes: FileChanges): AsyncGenerator<LogBatch> {
    for (;;) {
      await changes.wait(this.#signal);
      const there = await stat(path).catch(() => undefined);
      const replaced = there !== undefined && there.ino !== this.#inode && there.size > 0;
      if (await this.#wasEmptied()) this.#beginAnew(`${path} has been emptied`);
      const { size } = await this.#file.stat();
      if (size > this.#position || replaced || this.#gap !== undefined) yield* this.readToEnd(!replaced);
      if (replaced) return;
    }
  }

  async #wasEmptied(): Promise<boolean> {
    const { size } = await this.#file.stat();
    return size < this.#position || (await digestBefore(this.#file, this.#position)) !== this.#tail;
  }

  #beginAnew(gap: string): void {
    this.#base = 0;
    this.#position = 0;
    this.#splitter = new LineSplitter();
    this.#gap = gap;
  }

  async #batch(lines: string[], caughtUp: boolean): Promise<LogBatch> {
    const offset = this.#base + this.#splitter.wholeBytes;
    const unfinished = this.#splitter.unfinished();
    const gap = this.#gap;
    this.#gap = undefined;
    this.#tail = await digestBefore(this.#file, this.#position);
    const tail = offset === this.#position ? this.#tail : await digestBefore(this.#file, offset);
    const place: Place = { inode: this.#inode, offset, tail };
    return {
      lines: lines.map((text) => ({ text })),
      ...(unfinished === undefined ? {} : { unfinished: { text: unfinished } }),
      cursor: { ...place },
      caughtUp,
      ...(gap === undefined ? {} : { gap }),
    };
  }
}

async function digestBefore(file: FileHandle, offset: number): Promise<string> {
  const length = Math.min(TAIL_BYTES, offset);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset - length);
  return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex').slice(0, 16);
}

function placeOf(cursor: Json | undefined): Place | undefined {
  if (!isObject(cursor)) return undefined;
  const { inode, offset, tail } = cursor;
  const isPlace = typeof inode === 'number' && typeof offset === 'number' && typeof tail === 'string';
  return isPlace ? { inode, offset, tail } : undefined;
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
