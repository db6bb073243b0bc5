import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestPath, PlanFileError } from '../../../src/platform/plan-files.js';

let root: string;
let plan: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-plan-files-'));
  plan = join(root, 'plan');
  await mkdir(join(plan, 'infra/modules'), { recursive: true });
  await writeFile(join(plan, 'script.js'), 'k6');
  await writeFile(join(plan, 'infra/main.tf'), 'a');
  await writeFile(join(plan, 'infra/modules/vpc.tf'), 'b');
  await writeFile(join(root, 'outside.txt'), 'not yours');
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

it('a file: the sha256 of its bytes', async () => {
  expect(await digestPath(plan, 'script.js')).toBe(sha256('k6'));
});

it('a folder: over its sorted files', async () => {
  const listing = `main.tf\0${sha256('a')}\nmodules/vpc.tf\0${sha256('b')}\n`;
  expect(await digestPath(plan, 'infra')).toBe(sha256(listing));
});

it.each([
  ['a changed file', () => writeFile(join(plan, 'infra/modules/vpc.tf'), 'c')],
  ['a new file', () => writeFile(join(plan, 'infra/x.tf'), '')],
  ['a file gone', () => rm(join(plan, 'infra/main.tf'))],
])('a folder differs with %s', async (_what, change) => {
  const before = await digestPath(plan, 'infra');
  await change();
  expect(await digestPath(plan, 'infra')).not.toBe(before);
});

it('a folder is the same after terraform has worked in it', async () => {
  const before = await digestPath(plan, 'infra');
  await mkdir(join(plan, 'infra/.terraform'));
  await writeFile(join(plan, 'infra/.terraform/modules.json'), '{}');
  for (const name of ['terraform.tfstate', 'terraform.tfstate.backup', '.terraform.tfstate.lock.info'])
    await writeFile(join(plan, 'infra', name), '{}');
  expect(await digestPath(plan, 'infra')).toBe(before);
});

it('missing: says which', async () => {
  const failure = digestPath(plan, 'nope.js');
  await expect(failure).rejects.toMatchObject({ reason: 'missing', message: 'nope.js does not exist.' });
  await expect(failure).rejects.toThrow(PlanFileError);
});

it.each(['../outside.txt', '/etc/hostname', 'infra/../../outside.txt'])('refuses %s', async (path) => {
  await expect(digestPath(plan, path)).rejects.toMatchObject({ reason: 'outside' });
});

it('refuses a link that leads out, itself and within a folder; one that stays inside is read', async () => {
  await symlink(join(plan, 'script.js'), join(plan, 'infra/inside.js'));
  expect(await digestPath(plan, 'infra/inside.js')).toBe(sha256('k6'));
  await symlink(join(root, 'outside.txt'), join(plan, 'infra/link.txt'));
  await expect(digestPath(plan, 'infra/link.txt')).rejects.toMatchObject({ reason: 'outside' });
  await expect(digestPath(plan, 'infra')).rejects.toMatchObject({ reason: 'outside' });
});
