/** Where a rollout keeps what is too large or too detailed for its history: `<home>/artifacts/<application>/<runId>/`. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { RolloutContext } from '../contract/activities.js';
import type { Redactor } from './redaction.js';

type Owner = Pick<RolloutContext, 'application' | 'runId'>;

export interface Artifact {
  /** Absolute. */
  path: string;
  /** Of what was written, hex. */
  sha256: string;
  bytes: number;
}

/** Files are 0600, folders 0700; text is redacted before it is written, and a file appears whole or not at all. */
export class ArtifactStore {
  readonly #root: string;
  readonly #redactor: Redactor;

  constructor(home: string, redactor: Redactor) {
    this.#root = join(home, 'artifacts');
    this.#redactor = redactor;
  }

  folder(context: Owner): string {
    return join(this.#root, segment(context.application), segment(context.runId));
  }

  /** `name` may hold folders (`diagnostics/live.log`). Bytes that are not UTF-8 are written as they are. */
  async write(context: Owner, name: string, content: string | Uint8Array): Promise<Artifact> {
    const bytes = this.#redactContent(content);
    const path = await this.#prepare(context, name);
    await appear(path, async (temporary) => {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    });
    return { path, sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  }

  /** Takes in a text file of any size, line by line; with `gzip` the artifact is compressed. */
  async adopt(context: Owner, name: string, source: string, options?: { gzip?: boolean }): Promise<Artifact> {
    const path = await this.#prepare(context, name);
    const hash = createHash('sha256');
    let bytes = 0;
    const count = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    };
    await appear(path, async (temporary) => {
      const lines = Readable.from(this.#redactedLines(source));
      const sink = createWriteStream(temporary, { flags: 'wx', mode: 0o600 });
      if (options?.gzip) await pipeline(lines, createGzip(), count, sink);
      else await pipeline(lines, count, sink);
    });
    return { path, sha256: hash.digest('hex'), bytes };
  }

  async read(context: Owner, name: string): Promise<string | undefined> {
    try {
      return await readFile(this.#locate(context, name), 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #redactContent(content: string | Uint8Array): Buffer {
    if (typeof content === 'string') return Buffer.from(this.#redactor.redact(content));
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
      return Buffer.from(this.#redactor.redact(text));
    } catch {
      return Buffer.from(content);
    }
  }

  async *#redactedLines(source: string): AsyncGenerator<Buffer> {
    const lines = createInterface({ input: createReadStream(source), crlfDelay: Number.POSITIVE_INFINITY });
    for await (const line of lines) yield Buffer.from(`${this.#redactor.redact(line)}\n`);
  }

  #locate(context: Owner, name: string): string {
    const clean = normalize(name);
    if (isAbsolute(clean) || clean === '.' || clean.split(sep).includes('..')) {
      throw new Error(`Artifact name "${name}" leads out of the rollout's folder.`);
    }
    return join(this.folder(context), clean);
  }

  async #prepare(context: Owner, name: string): Promise<string> {
    const path = this.#locate(context, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return path;
  }
}

async function appear(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

function segment(name: string): string {
  if (/^[\w.@ -]+$/.test(name) && !/^\.+$/.test(name)) return name;
  throw new Error(`"${name}" cannot name a folder of artifacts; expected letters, digits, "-", "_" and ".".`);
}
