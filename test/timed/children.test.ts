import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildStartError, runChild } from '../../src/platform/children.js';
import { isAlive, waitFor } from '../support/processes.js';

const node = process.execPath;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-children-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A program that starts a child of its own, writes both pids down and then works for ever. */
async function writeFamily(options: { deaf?: boolean } = {}): Promise<{ script: string; pids: string }> {
  const script = join(folder, 'family.mjs');
  const pids = join(folder, 'pids');
  await writeFile(
    script,
    `import { spawn } from 'node:child_process';
     import { writeFileSync } from 'node:fs';
     ${options.deaf ? "process.on('SIGTERM', () => {});" : ''}
     const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
     writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + child.pid);
     setInterval(() => {}, 1000);`,
  );
  return { script, pids };
}

async function readPids(file: string): Promise<number[]> {
  await waitFor(() => existsSync(file) && readFileSync(file, 'utf8').includes(' '), 'the pids to be written');
  return readFileSync(file, 'utf8').split(' ').map(Number);
}

describe('what a child gives back', () => {
  it('exit code, both streams and every line', async () => {
    const lines: string[] = [];
    const program = 'console.log("one\\ntwo"); console.error("three"); process.exitCode = 3';
    const result = await runChild({
      file: node,
      args: ['-e', program],
      onLine: (line, stream) => lines.push(`${stream}:${line}`),
    });
    expect(result).toMatchObject({
      exitCode: 3,
      signal: null,
      stdout: 'one\ntwo\n',
      stderr: 'three\n',
      timedOut: false,
    });
    expect(lines.sort()).toEqual(['stderr:three', 'stdout:one', 'stdout:two']);
  });

  it('the signal that ended it', async () => {
    const result = await runChild({ file: node, args: ['-e', 'process.kill(process.pid, "SIGINT")'] });
    expect(result).toMatchObject({ exitCode: null, signal: 'SIGINT' });
  });

  it('the newest output when there is too much', async () => {
    const program = 'process.stdout.write("a".repeat(300000) + "end")';
    const result = await runChild({ file: node, args: ['-e', program], outputLimitBytes: 1000 });
    expect(result.stdout).toHaveLength(1000);
    expect(result.stdout.endsWith('end')).toBe(true);
  });

  it('a clear error when the program does not exist', async () => {
    const run = runChild({ file: 'headgate-no-such-program', args: [] });
    await expect(run).rejects.toThrow(ChildStartError);
    await expect(run).rejects.toThrow(/Cannot start "headgate-no-such-program".*PATH.*ENOENT/);
  });

  it('timedOut when its time is over, and it is gone', async () => {
    const { script, pids } = await writeFamily();
    const running = runChild({ file: node, args: [script], timeoutMs: 3000 });
    const family = await readPids(pids);
    expect(family.every(isAlive)).toBe(true);
    expect(await running).toMatchObject({ timedOut: true });
    await waitFor(() => !family.some(isAlive), 'the family to be gone', 500);
  });
});

describe('what a child sees', () => {
  it("PATH, HOME, LANG, TMPDIR, where Headgate is at home and what it is given, and none of the worker's credentials", async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'canary-credential';
    try {
      const program = 'process.stdout.write(JSON.stringify(process.env))';
      const { stdout } = await runChild({
        file: node,
        args: ['-e', program],
        env: { GIVEN: 'canary-given' },
      });
      const names = Object.keys(JSON.parse(stdout)).sort();
      expect(stdout).toContain('canary-given');
      expect(stdout).not.toContain('canary-credential');
      const allowed = ['GIVEN', 'HEADGATE_HOME', 'HEADGATE_PORT_BASE', 'HOME', 'LANG', 'PATH', 'TMPDIR'];
      expect(names.filter((name) => !allowed.includes(name))).toEqual([]);
    } finally {
      delete process.env.AWS_SECRET_ACCESS_KEY;
    }
  });

  it('its environment is not among the arguments of any process', async () => {
    const ready = join(folder, 'ready');
    const abort = new AbortController();
    const program = `require('fs').writeFileSync(${JSON.stringify(ready)}, ''); setInterval(() => {}, 1000)`;
    const running = runChild({
      file: node,
      args: ['-e', program, 'canary-argument'],
      env: { TOKEN: 'canary-environment' },
      signal: abort.signal,
    });
    await waitFor(() => existsSync(ready), 'the child to run');
    const commands = await runChild({ file: 'ps', args: ['-eo', 'args', '-ww'], outputLimitBytes: 1e6 });
    expect(commands.stdout).toContain('canary-argument');
    expect(commands.stdout).not.toContain('canary-environment');
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});

describe('how a child ends', () => {
  it('by abort: the whole group, and the reason is handed on', async () => {
    const { script, pids } = await writeFamily();
    const abort = new AbortController();
    const running = runChild({ file: node, args: [script], signal: abort.signal });
    const family = await readPids(pids);
    expect(family.every(isAlive)).toBe(true);
    abort.abort(new Error('operator abort'));
    await expect(running).rejects.toThrow('operator abort');
    await waitFor(() => !family.some(isAlive), 'the family to be gone', 500);
  });

  it('by SIGKILL when it does not listen', async () => {
    const { script, pids } = await writeFamily({ deaf: true });
    const abort = new AbortController();
    const running = runChild({ file: node, args: [script], signal: abort.signal, graceMs: 200 });
    const family = await readPids(pids);
    const startedAt = performance.now();
    abort.abort(new Error('operator abort'));
    await expect(running).rejects.toThrow('operator abort');
    expect(performance.now() - startedAt).toBeLessThan(1500);
    await waitFor(() => !family.some(isAlive), 'the family to be gone', 500);
  });

  it('leftovers of its group end with it; a daemon with its own session lives on and holds nobody up', async () => {
    const pids = join(folder, 'pids');
    const program = `
      const { spawn } = require('child_process');
      const idle = ['-e', 'setInterval(() => {}, 1000)'];
      const leftover = spawn(process.execPath, idle, { stdio: 'inherit' });
      const daemon = spawn(process.execPath, idle, { stdio: 'inherit', detached: true });
      require('fs').writeFileSync(${JSON.stringify(pids)}, leftover.pid + ' ' + daemon.pid);
      process.exit(0);`;
    const result = await runChild({ file: node, args: ['-e', program] });
    expect(result.exitCode).toBe(0);
    const [leftover = 0, daemon = 0] = await readPids(pids);
    try {
      await waitFor(() => !isAlive(leftover), 'the leftover to be gone', 500);
      expect(isAlive(daemon)).toBe(true);
    } finally {
      process.kill(daemon, 'SIGKILL');
    }
  });
});

describe('when the worker is killed', () => {
  let worker: ChildProcess | undefined;
  afterEach(() => {
    worker?.kill('SIGKILL');
  });

  /** A worker of its own: this test's guardian, driven as `runChild` drives it. */
  async function startWorker(script: string): Promise<ChildProcess> {
    const guardian = new URL('../../src/platform/guardian.mjs', import.meta.url).pathname;
    const order = JSON.stringify({ file: node, args: [script], env: { PATH: process.env.PATH } });
    const program = join(folder, 'worker.mjs');
    await writeFile(
      program,
      `import { spawn } from 'node:child_process';
       const guardian = spawn(process.execPath, [${JSON.stringify(guardian)}], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], detached: true });
       guardian.stdin.write(${JSON.stringify(`${order}\n`)});
       setInterval(() => {}, 1000);`,
    );
    return spawn(node, [program], { stdio: 'ignore' });
  }

  it.each([{ deaf: false }, { deaf: true }])(
    'its children and theirs are gone within a second (deaf: $deaf)',
    async (options) => {
      const { script, pids } = await writeFamily(options);
      worker = await startWorker(script);
      const family = await readPids(pids);
      expect(family.every(isAlive)).toBe(true);
      worker.kill('SIGKILL');
      await waitFor(() => !family.some(isAlive), 'the family to be gone', 1000);
    },
  );

  it('positive control: without a guardian they live on', async () => {
    const { script, pids } = await writeFamily();
    const program = `require('child_process').spawn(process.execPath, [${JSON.stringify(script)}], { stdio: 'ignore', detached: true }); setInterval(() => {}, 1000)`;
    worker = spawn(node, ['-e', program], { stdio: 'ignore' });
    const [parent = 0, child = 0] = await readPids(pids);
    const ended = new Promise((resolve) => worker?.once('exit', resolve));
    worker.kill('SIGKILL');
    await ended;
    await expect(
      waitFor(() => !isAlive(parent) || !isAlive(child), 'them to be gone', 1000),
    ).rejects.toThrow();
    process.kill(-parent, 'SIGKILL');
    await waitFor(() => !isAlive(parent) && !isAlive(child), 'the clean-up');
  });
});

describe('when the guardian is killed', () => {
  it('the child is ended by the worker', async () => {
    const { script, pids } = await writeFamily();
    const running = runChild({ file: node, args: [script] });
    const family = await readPids(pids);
    const { stdout } = await runChild({ file: 'ps', args: ['-o', 'ppid=', '-p', String(family[0])] });
    process.kill(Number(stdout), 'SIGKILL');
    expect(await running).toMatchObject({ exitCode: null, signal: 'SIGKILL' });
    await waitFor(() => !family.some(isAlive), 'the family to be gone', 500);
  });
});
