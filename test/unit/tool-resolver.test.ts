import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ToolRelease, ToolReleases } from '../../src/platform/tool-releases.js';
import { TOOL_RELEASES } from '../../src/platform/tool-releases.js';
import { locateTool, resolveTool } from '../../src/platform/tool-resolver.js';

const run = promisify(execFile);
const PLATFORM = `${process.platform}-${process.arch}`;

let folder: string;
let cacheDir: string;
let archive: Buffer;
let server: Server;
let base: string;
let downloads: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-tools-'));
  cacheDir = join(folder, 'cache');
  archive = await packProgram('k6', 'k6 v9.9.9 (go1.99)');
  downloads = 0;
  server = createServer((incoming, response) => {
    downloads += 1;
    if (incoming.url?.startsWith('/k6.')) response.end(archive);
    // Anything else is never answered.
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await rm(folder, { recursive: true });
});

/** As the k6 releases are packed: the program in a folder of its own. */
async function packProgram(name: string, says: string): Promise<Buffer> {
  const inner = join(folder, 'pack', `${name}-v9.9.9`);
  await mkdir(inner, { recursive: true });
  await writeProgram(join(inner, name), says);
  await writeFile(join(inner, 'LICENSE'), 'free');
  const file = join(folder, 'pack.tar.gz');
  await run('tar', ['-czf', file, '-C', join(folder, 'pack'), `${name}-v9.9.9`]);
  return readFile(file);
}

async function writeProgram(path: string, says: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\necho "${says}"\n`);
  await chmod(path, 0o755);
}

function releasesWith(k6: Partial<ToolRelease>): ToolReleases {
  return {
    ...TOOL_RELEASES,
    k6: { version: '9.9.9', page: 'https://k6.example.com', archives: {}, ...k6 },
  };
}

function pinned(sha256: string, url = `${base}/k6.tar.gz`): ToolReleases {
  return releasesWith({ archives: { [PLATFORM]: { url, sha256 } } });
}

const digest = (content: Buffer) => createHash('sha256').update(content).digest('hex');

describe('resolveTool', () => {
  it('takes what the environment names, and asks it for its version', async () => {
    const path = join(folder, 'mine');
    await writeProgram(path, 'k6 v1.2.3 (commit/abc)');
    const found = await resolveTool('k6', { env: { HEADGATE_TOOL_K6: path, PATH: '' } });
    expect(found).toEqual({ path, version: '1.2.3', source: 'environment' });
  });

  it('refuses a named path that holds nothing, instead of taking another one', async () => {
    const env = { HEADGATE_TOOL_K6: join(folder, 'nowhere'), PATH: process.env.PATH };
    await expect(resolveTool('k6', { env, cacheDir })).rejects.toThrow(
      /HEADGATE_TOOL_K6 is ".*nowhere", but there is no program.*unset it/,
    );
  });

  it('takes any version that PATH offers', async () => {
    const path = join(folder, 'k6');
    await writeProgram(path, 'k6 v0.1.0');
    const found = await resolveTool('k6', { env: { PATH: `/does/not/exist:${folder}` }, cacheDir });
    expect(found).toEqual({ path, version: '0.1.0', source: 'path' });
  });

  it('downloads once, checks the checksum, and answers from the cache afterwards', async () => {
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive)) };
    const path = join(cacheDir, 'k6-9.9.9', 'k6');
    expect(await resolveTool('k6', options)).toEqual({ path, version: '9.9.9', source: 'download' });
    expect((await run(path)).stdout).toBe('k6 v9.9.9 (go1.99)\n');
    expect(await resolveTool('k6', options)).toEqual({ path, version: '9.9.9', source: 'cache' });
    expect(downloads).toBe(1);
    expect(await readdir(cacheDir)).toEqual(['k6-9.9.9']);
  });

  it('is located without being installed', async () => {
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive)) };
    expect(await locateTool('k6', options)).toBeUndefined();
    expect(downloads).toBe(0);
    const { path } = await resolveTool('k6', options);
    expect(await locateTool('k6', options)).toMatchObject({ path, source: 'cache' });
  });

  it('installs once for callers at the same time', async () => {
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive)) };
    const found = await Promise.all([1, 2, 3].map(() => resolveTool('k6', options)));
    expect(found.map(({ source }) => source).sort()).toEqual(['cache', 'cache', 'download']);
    expect(downloads).toBe(1);
  });

  it('passes over the lock of a process that died', async () => {
    const gone = await run(process.execPath, ['-p', 'process.pid']);
    await mkdir(cacheDir, { recursive: true });
    await writeFile(join(cacheDir, 'k6-9.9.9.lock'), gone.stdout.trim());
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive)) };
    expect((await resolveTool('k6', options)).source).toBe('download');
  });

  it('passes over a lock whose number another process has by now, as in a container that was started again', async () => {
    await mkdir(cacheDir, { recursive: true });
    await writeFile(join(cacheDir, 'k6-9.9.9.lock'), `${process.pid} another start`);
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive)) };
    expect((await resolveTool('k6', options)).source).toBe('download');
  });

  it('unpacks a zip, the program only', async () => {
    const files = { 'k6-v9.9.9/k6': '#!/bin/sh\necho zipped\n', 'k6-v9.9.9/LICENSE': 'free' };
    archive = Buffer.from(
      zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]))),
    );
    const options = { env: { PATH: '' }, cacheDir, releases: pinned(digest(archive), `${base}/k6.zip`) };
    const { path, source } = await resolveTool('k6', options);
    expect(source).toBe('download');
    expect((await run(path)).stdout).toBe('zipped\n');
    expect(await readdir(join(cacheDir, 'k6-9.9.9'))).toEqual(['k6']);
  });

  it('throws a wrong archive away and leaves nothing behind', async () => {
    const options = { env: { PATH: '' }, cacheDir, releases: pinned('0'.repeat(64)) };
    await expect(resolveTool('k6', options)).rejects.toThrow(
      /has sha256 [0-9a-f]{64}, expected 0{64}; thrown away/,
    );
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('gives up on a server that accepts and says nothing', async () => {
    const options = {
      env: { PATH: '' },
      cacheDir,
      releases: pinned('0'.repeat(64), `${base}/silent`),
      answerTimeoutMs: 200,
    };
    await expect(resolveTool('k6', options)).rejects.toThrow(/silent: no answer in time/);
  });

  it('names every way it tried and what to do, when all of them failed', async () => {
    const releases = releasesWith({ goPackage: 'example.com/k6@v9.9.9', goBuildMinutes: 1 });
    const error = await resolveTool('k6', { env: { PATH: '' }, cacheDir, releases }).catch(String);
    expect(error).toContain('k6 is missing. Tried:');
    expect(error).toContain('HEADGATE_TOOL_K6: not set');
    expect(error).toContain('PATH: no k6 in it');
    expect(error).toContain(`download: no checksum is pinned for k6 9.9.9 on ${PLATFORM}`);
    expect(error).toContain('go install: there is no go on PATH');
    expect(error).toContain('set HEADGATE_TOOL_K6 to its path');
  });

  it('builds with go install, and says how long that takes', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    // Stands for the Go toolchain, which takes minutes: does with GOBIN what `go install` does.
    await writeFile(
      join(bin, 'go'),
      '#!/bin/sh\nprintf "#!/bin/sh\\necho $2" > "$GOBIN/k6"\n/bin/chmod +x "$GOBIN/k6"\n',
    );
    await chmod(join(bin, 'go'), 0o755);
    const lines: string[] = [];
    const releases = releasesWith({ goPackage: 'go.k6.io/k6@v9.9.9', goBuildMinutes: 2 });
    const options = { env: { PATH: bin }, cacheDir, releases, log: (line: string) => lines.push(line) };
    const { path, source } = await resolveTool('k6', options);
    expect(source).toBe('go install');
    expect((await run(path)).stdout.trim()).toBe('go.k6.io/k6@v9.9.9');
    expect(lines).toContain('building k6 with go install, about 2 minutes the first time');
  });

  it('pins a sha256 for every archive it offers', () => {
    const archives = Object.values(TOOL_RELEASES).flatMap((release) => Object.values(release.archives));
    expect(archives.length).toBeGreaterThanOrEqual(12);
    for (const { url, sha256 } of archives) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(url).toMatch(/^https:\/\//);
    }
  });
});
