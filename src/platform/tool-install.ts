/** The two ways in which a tool gets into the cache. Each leaves `<into>/<name>`, executable, or throws. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { unzipSync } from 'fflate';
import { ChildStartError, runChild } from './children.js';
import type { ToolName, ToolRelease } from './tool-releases.js';

const STALL_TIMEOUT_MS = 30_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;
const STILL_BUILDING_MS = 30_000;

export interface InstallJob {
  name: ToolName;
  release: ToolRelease;
  /** An empty folder. */
  into: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  signal?: AbortSignal;
  answerTimeoutMs: number;
}

/** The official archive for this platform. @throws Error when there is none, nothing answers, or the sha256 differs */
export async function downloadTool(job: InstallJob): Promise<void> {
  const { name, release, into, log } = job;
  const platform = `${process.platform}-${process.arch}`;
  const archive = release.archives[platform];
  if (!archive) throw new Error(`no checksum is pinned for ${name} ${release.version} on ${platform}`);
  log(`downloading ${name} ${release.version} from ${archive.url}`);
  const file = join(into, 'archive');
  const sha256 = await fetchTo(file, archive.url, job);
  if (sha256 !== archive.sha256) {
    throw new Error(`${archive.url} has sha256 ${sha256}, expected ${archive.sha256}; thrown away`);
  }
  await (archive.url.endsWith('.zip') ? unzip(file, name, into) : untar(file, archive.url, job));
  await rm(file);
  await liftOut(name, into);
}

async function untar(file: string, url: string, { into, signal }: InstallJob): Promise<void> {
  const unpacked = await runChild({ file: 'tar', args: ['-xf', file, '-C', into], signal });
  if (unpacked.exitCode !== 0) throw new Error(`tar could not unpack ${url}: ${unpacked.stderr.trim()}`);
}

/** In here: GNU tar reads no zip, and a slim image has no unzip. Only the program is taken out. */
async function unzip(file: string, name: string, into: string): Promise<void> {
  const entries = unzipSync(await readFile(file), { filter: (entry) => basename(entry.name) === name });
  for (const content of Object.values(entries)) await writeFile(join(into, name), content);
}

/** Streams `url` into `file`. @returns its sha256, hex */
async function fetchTo(file: string, url: string, job: InstallJob): Promise<string> {
  const { signal: outer, answerTimeoutMs } = job;
  const watchdog = new AbortController();
  const signal = outer ? AbortSignal.any([outer, watchdog.signal]) : watchdog.signal;
  let timer = setTimeout(() => watchdog.abort(), answerTimeoutMs);
  const hash = createHash('sha256');
  try {
    const response = await fetch(url, { signal });
    if (!response.ok || !response.body) throw new Error(`answered ${response.status}`);
    const body: ReadableStream<Uint8Array> = response.body;
    await pipeline(
      Readable.fromWeb(body),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          clearTimeout(timer);
          timer = setTimeout(() => watchdog.abort(), STALL_TIMEOUT_MS);
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(file),
    );
  } catch (error) {
    outer?.throwIfAborted();
    throw new Error(`${url}: ${watchdog.signal.aborted ? 'no answer in time' : describeFetchError(error)}`);
  } finally {
    clearTimeout(timer);
  }
  return hash.digest('hex');
}

/** Node's fetch says "fetch failed" and keeps the reason in `cause`. */
function describeFetchError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Some archives hold the program in a folder of their own. */
async function liftOut(name: string, into: string): Promise<void> {
  const entries = await readdir(into, { withFileTypes: true, recursive: true });
  const program = entries.find((entry) => entry.isFile() && entry.name === name);
  if (!program) throw new Error(`the archive holds no program ${name}`);
  const path = join(into, name);
  await rename(join(program.parentPath, program.name), path);
  await chmod(path, 0o755);
}

/** Builds it from source. @throws Error when there is no Go, or the build fails */
export async function goInstallTool(job: InstallJob): Promise<void> {
  const { name, release, into, env, log } = job;
  if (!release.goPackage) throw new Error(`${name} cannot be built that way`);
  log(`building ${name} with go install, about ${release.goBuildMinutes} minutes the first time`);
  const startedAt = Date.now();
  const still = setInterval(() => {
    log(`still building ${name} (${Math.round((Date.now() - startedAt) / 1000)} s)`);
  }, STILL_BUILDING_MS);
  try {
    const build = await runChild({
      file: 'go',
      args: ['install', release.goPackage],
      cwd: into,
      env: { ...goEnvironment(env), GOBIN: into, CGO_ENABLED: '0' },
      signal: job.signal,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    if (build.timedOut) throw new Error(`no end within ${BUILD_TIMEOUT_MS / 60_000} minutes`);
    if (build.exitCode !== 0) throw new Error(`go said: ${lastLines(build.stderr)}`);
  } catch (error) {
    throw error instanceof ChildStartError ? new Error('there is no go on PATH') : error;
  } finally {
    clearInterval(still);
  }
}

/** Go's own settings and the proxies; a build needs nothing else. */
function goEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const wanted = Object.entries(env).filter(([key]) =>
    /^GO[A-Z0-9]*$|^(https?|no)_proxy$|^SSL_CERT_/i.test(key),
  );
  const own = ['PATH', 'HOME'].map((key) => [key, env[key]] as const);
  const set = [...wanted, ...own].flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(set);
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ').slice(-500);
}
