/** The example's configuration for real AWS: as far as it goes without an account. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { terraformEnvironment } from '../../src/tools/terraform/files.js';
import { findInfraTool } from '../../src/tools/terraform/program.js';
import { terraformIsMissing } from '../support/terraform.js';

const EXAMPLE = new URL('../../examples/connection-pool-fix/infrastructure/', import.meta.url).pathname;

const missing = await terraformIsMissing();
const folder = await mkdtemp(join(tmpdir(), 'headgate-aws-'));

async function terraform(cwd: string, ...args: string[]) {
  const { path } = await findInfraTool('terraform');
  const env = terraformEnvironment(process.env, join(folder, 'data'));
  return runChild({ file: path, args, cwd, env, timeoutMs: 120_000 });
}

/** The aws provider is there where terraform's mirrors hold it, or a registry answers. */
async function initialize(): Promise<boolean> {
  if (missing) return false;
  await cp(join(EXAMPLE, 'aws'), join(folder, 'aws'), { recursive: true });
  const { exitCode } = await terraform(join(folder, 'aws'), 'init', '-backend=false', '-input=false');
  if (exitCode === 0) return true;
  console.warn('SKIPPED: terraform finds no aws provider; give it a mirror by TF_CLI_CONFIG_FILE.');
  return false;
}
const hasProvider = await initialize();
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(missing)('the infrastructure of the example', () => {
  it.each(['aws', 'sandbox'])('%s is written as terraform writes it', async (name) => {
    const { exitCode, stdout } = await terraform(join(EXAMPLE, name), 'fmt', '-check', '-diff', '-no-color');
    expect([exitCode, stdout]).toEqual([0, '']);
  });

  it.skipIf(!hasProvider)('aws is valid for the aws provider', async () => {
    const { exitCode, stdout } = await terraform(join(folder, 'aws'), 'validate', '-no-color');
    expect(exitCode, stdout).toBe(0);
  });
});
