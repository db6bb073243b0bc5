/** Where a rollout keeps what is too large or too detailed for its history: `<place>/<application>/<runId>/`. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { RolloutContext } from '../contract/activities.js';
import { createFolderPlace } from './artifact-folder.js';
import type { Redactor } from './redaction.js';

/** Line by line, a series of 200 MB takes ten times as long to pack. */
const PIECE_LENGTH = 64 * 1024;

type Owner = Pick<RolloutContext, 'application' | 'runId'>;

/** What is kept in a place appears whole or not at all, and takes the place of what had the same key. */
export interface ArtifactPlace {
  /** Of everything in it: a folder, or `s3://bucket/prefix`. */
  readonly address: string;
  /** Names in results are addresses, because nobody has the place at hand. */
  readonly isRemote: boolean;
  put(key: string, content: ArtifactContent): Promise<void>;
  /** Undefined when it is not there. */
  read(key: string): Promise<Buffer | undefined>;
  /** Rejects, saying why and what to do, when nothing can be kept there. */
  examine(): Promise<void>;
}

export interface ArtifactContent {
  /** Bytes, or the path of a file that is there until `put` has ended. */
  body: Buffer | string;
  /** Of the body, hex. */
  sha256: string;
  bytes: number;
}

export interface Artifact {
  /** Absolute path, or `s3://…`. */
  path: string;
  /** Of what was written, hex. */
  sha256: string;
  bytes: number;
}

/** Text is redacted before it leaves the process; what is read back is what was written. */
export class ArtifactStore {
  readonly place: ArtifactPlace;
  readonly #redactor: Redactor;

  /** @param where the home of Headgate, whose folder `artifacts` then is the place; or another place */
  constructor(where: string | ArtifactPlace, redactor: Redactor) {
    this.place = typeof where === 'string' ? createFolderPlace(join(where, 'artifacts')) : where;
    this.#redactor = redactor;
  }

  folder(context: Owner): string {
    return `${this.place.address}/${keyOf(context)}`;
  }

  /** How results name it: relative to the rollout's folder where that is on a disk, else its whole address. */
  cite(context: Owner, name: string): string {
    return this.place.isRemote ? `${this.folder(context)}/${name}` : name;
  }

  /** `name` may hold folders (`diagnostics/live.log`). Bytes that are not UTF-8 are written as they are. */
  async write(context: Owner, name: string, content: string | Uint8Array): Promise<Artifact> {
    const body = this.#redactContent(content);
    const sha256 = createHash('sha256').update(body).digest('hex');
    return this.#put(context, name, { body, sha256, bytes: body.length });
  }

  /** Takes in a text file of any size, line by line; with `gzip` the artifact is compressed. */
  async adopt(context: Owner, name: string, source: string, options?: { gzip?: boolean }): Promise<Artifact> {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-artifact-'));
    try {
      const body = join(folder, 'content');
      return await this.#put(context, name, { body, ...(await this.#redactFile(source, body, options)) });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async read(context: Owner, name: string): Promise<string | undefined> {
    return (await this.place.read(keyOf(context, name)))?.toString('utf8');
  }

  async #put(context: Owner, name: string, content: ArtifactContent): Promise<Artifact> {
    const key = keyOf(context, name);
    await this.place.put(key, content);
    return { path: `${this.place.address}/${key}`, sha256: content.sha256, bytes: content.bytes };
  }

  async #redactFile(source: string, target: string, options?: { gzip?: boolean }) {
    const hash = createHash('sha256');
    let bytes = 0;
    const count = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    };
    const lines = Readable.from(this.#redactedLines(source));
    const sink = createWriteStream(target, { flags: 'wx', mode: 0o600 });
    if (options?.gzip) await pipeline(lines, createGzip(), count, sink);
    else await pipeline(lines, count, sink);
    return { sha256: hash.digest('hex'), bytes };
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
    let piece = '';
    for await (const line of lines) {
      piece += `${this.#redactor.redact(line)}\n`;
      if (piece.length < PIECE_LENGTH) continue;
      yield Buffer.from(piece);
      piece = '';
    }
    yield Buffer.from(piece);
  }
}

function keyOf({ application, runId }: Owner, name?: string): string {
  const folder = `${segment(application)}/${segment(runId)}`;
  if (name === undefined) return folder;
  const clean = normalize(name);
  if (isAbsolute(clean) || clean === '.' || clean.split(sep).includes('..')) {
    throw new Error(`Artifact name "${name}" leads out of the rollout's folder.`);
  }
  return `${folder}/${clean}`;
}

function segment(name: string): string {
  if (/^[\w.@ -]+$/.test(name) && !/^\.+$/.test(name)) return name;
  throw new Error(`"${name}" cannot name a folder of artifacts; expected letters, digits, "-", "_" and ".".`);
}
