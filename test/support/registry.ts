/** A real registry: CNCF's distribution, built by `go install` from its published module into the cache. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runChild } from '../../src/platform/children.js';
import { withInstallLock } from '../../src/platform/install-lock.js';
import { loadSettings } from '../../src/platform/settings.js';
import { waitFor } from './processes.js';
import { findFreePort } from './sshd.js';

const VERSION = '3.0.0';
const PACKAGE = `github.com/distribution/distribution/v3/cmd/registry@v${VERSION}`;
const BUILD_MS = 15 * 60_000;

/** Path of the program; undefined, and said aloud, when it cannot be built. In CI a missing part is a failure. */
export async function ensureRegistry(): Promise<string | undefined> {
  const folder = join(loadSettings().home, 'cache', 'tools', `registry-${VERSION}`);
  const program = join(folder, 'registry');
  if (existsSync(program)) return program;
  await mkdir(dirname(folder), { recursive: true });
  const why = await withInstallLock(folder, 'registry', {}, () => build(folder));
  if (why === undefined) return program;
  const how = `the registry ${VERSION} is missing, and go could not build it: ${why}`;
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return undefined;
}

/** Undefined when it is there, else what go said. */
async function build(folder: string): Promise<string | undefined> {
  const temporary = `${folder}.${process.pid}.part`;
  const go = Object.entries(process.env).filter(([key]) => /^GO[A-Z0-9]*$|^(https?|no)_proxy$/i.test(key));
  const env = Object.fromEntries(go.map(([key, value = '']) => [key, value]));
  try {
    const { exitCode, stderr } = await runChild({
      file: 'go',
      args: ['install', PACKAGE],
      cwd: tmpdir(),
      env: { ...env, GOBIN: temporary, CGO_ENABLED: '0' },
      timeoutMs: BUILD_MS,
    });
    if (exitCode !== 0) return stderr.trim().split('\n').slice(-3).join(' / ');
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

export interface Registry {
  /** Host and port, as they stand in the name of an image. */
  host: string;
  /** @returns the digest of what `name:tag` stands for from now on */
  push(name: string, tag: string, content: string): Promise<string>;
  stop(): Promise<void>;
}

/** `canary:canary-password` */
const HTPASSWD = 'canary:$2b$05$yRftNNiGjSV2aRZjAlTdrexa85Tp158V4VHVzEJIVo4iblPWsBRhG\n';
const LOGIN = `Basic ${Buffer.from('canary:canary-password').toString('base64')}`;

export async function startRegistry(program: string): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-registry-'));
  const host = `127.0.0.1:${await findFreePort()}`;
  await writeFile(join(folder, 'htpasswd'), HTPASSWD);
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: host, secret: 'of the test' },
    auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } },
  };
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
  const server: ChildProcess = spawn(program, ['serve', join(folder, 'config.yml')], {
    stdio: 'ignore',
    env,
  });
  const send: Send = (path, options = {}) =>
    fetch(new URL(path, `http://${host}`), {
      ...options,
      headers: { authorization: LOGIN, ...options.headers },
    });
  const answers = async () => (await send('/v2/').catch(() => undefined))?.status === 200;
  await waitFor(answers, 'the registry', 20_000);
  return {
    host,
    push: (name, tag, content) => push(send, name, tag, content),
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface SendOptions {
  method?: string;
  body?: string;
  headers?: Record<string, string>;
}

type Send = (path: string, options?: SendOptions) => Promise<Response>;

/** A configuration and no layer: the least that is an image. */
async function push(send: Send, name: string, tag: string, content: string): Promise<string> {
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', author: content });
  const begun = await send(`/v2/${name}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(begun.headers.get('location') ?? '', 'http://registry');
  location.searchParams.set('digest', digestOf(config));
  await expectCreated(
    await send(location.pathname + location.search, {
      method: 'PUT',
      body: config,
      headers: { 'content-type': 'application/octet-stream' },
    }),
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: digestOf(config),
      size: Buffer.byteLength(config),
    },
    layers: [],
  });
  await expectCreated(
    await send(`/v2/${name}/manifests/${tag}`, {
      method: 'PUT',
      body: manifest,
      headers: { 'content-type': mediaType },
    }),
  );
  return digestOf(manifest);
}

async function expectCreated(response: Response): Promise<void> {
  if (response.status !== 201)
    throw new Error(`the registry answered ${response.status}: ${await response.text()}`);
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
