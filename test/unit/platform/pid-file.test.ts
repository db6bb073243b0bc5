import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writePidFile } from '../../../src/platform/pid-file.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-pid-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('takes the place of the one before', async () => {
  const path = join(folder, 'worker.pid');
  await writeFile(path, '1\n');
  await writePidFile(path);
  expect(await readFile(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(await readdir(folder)).toEqual(['worker.pid']);
});

it('writes into no file that a link under its name leads to', async () => {
  const path = join(folder, 'worker.pid');
  const precious = join(folder, 'precious');
  await writeFile(precious, 'mine');
  await symlink(precious, path);
  await writePidFile(path);
  expect(await readFile(precious, 'utf8')).toBe('mine');
  expect((await lstat(path)).isFile()).toBe(true);
});
