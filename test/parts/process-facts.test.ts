/** What /proc and `ps` say of real processes has to be the same. */
import { type ChildProcess, spawn } from 'node:child_process';
import { basename } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ProcessFacts, procFacts, psFacts } from '../../src/platform/process-facts.js';
import { waitFor } from '../support/processes.js';

const ways: [string, ProcessFacts][] = [
  ['ps', psFacts],
  ...(process.platform === 'linux' ? [['/proc', procFacts] satisfies [string, ProcessFacts]] : []),
];

describe.each(ways)('by %s', (_way, facts) => {
  let child: ChildProcess;
  let pid: number;
  beforeEach(async () => {
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    pid = child.pid ?? 0;
    await waitFor(async () => (await facts.startOf(pid)) !== undefined, 'the process to be seen');
  });
  afterEach(() => {
    child.kill('SIGKILL');
  });

  it('a process is itself for as long as it lives', async () => {
    const start = await facts.startOf(pid);
    expect(await facts.startOf(pid)).toBe(start);
    expect(await facts.startOf(process.pid)).not.toBe(undefined);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await facts.startOf(pid)).toBeUndefined();
  });

  it('finds who runs a program, and since when', async () => {
    const found = (await facts.running([basename(process.execPath)])).find((each) => each.pid === pid);
    expect(Math.abs((found?.startedAtMs ?? 0) - Date.now())).toBeLessThan(10_000);
    expect(await facts.running(['no-such-program'])).toEqual([]);
  });

  it('the machine is the same at every question', async () => {
    expect(await facts.machine()).toMatch(/\S/);
    expect(await facts.machine()).toBe(await facts.machine());
  });
});
