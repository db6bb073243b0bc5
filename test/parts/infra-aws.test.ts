/** The examples' configurations, those for real AWS too: as far as it goes without an account. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { terraformEnvironment } from '../../src/tools/terraform/files.js';
import { findInfraTool } from '../../src/tools/terraform/program.js';
import { terraformIsMissing } from '../support/terraform.js';

const EXAMPLES = new URL('../../examples/', import.meta.url).pathname;
const PLANS = ['connection-pool-fix', 'optional-improvements'];

const missing = await terraformIsMissing();
const folder = await mkdtemp(join(tmpdir(), 'headgate-aws-'));

async function terraform(cwd: string, ...args: string[]) {
  const { path } = await findInfraTool('terraform');
  const env = terraformEnvironment(process.env, join(folder, 'data'));
  return runChild({ file: path, args, cwd, env, timeoutMs: 120_000 });
}

/** The aws provider is there where terraform's mirrors hold it, or a registry answers. */
async function initialize(plan: string): Promise<boolean> {
  await cp(join(EXAMPLES, plan, 'infrastructure/aws'), join(folder, plan), { recursive: true });
  const { exitCode } = await terraform(join(folder, plan), 'init', '-backend=false', '-input=false');
  return exitCode === 0;
}
const hasProvider = !missing && (await initialize('connection-pool-fix'));
if (!missing && !hasProvider) {
  console.warn('SKIPPED: terraform finds no aws provider; give it a mirror by TF_CLI_CONFIG_FILE.');
}
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(missing).each(PLANS)('the infrastructure of %s', (plan) => {
  it('is written as terraform writes it', async () => {
    const args = ['fmt', '-check', '-diff', '-recursive', '-no-color'];
    const { exitCode, stdout } = await terraform(join(EXAMPLES, plan, 'infrastructure'), ...args);
    expect([exitCode, stdout]).toEqual([0, '']);
  });

  it('sandbox is valid, without any provider', async () => {
    const place = join(folder, `${plan}-sandbox`);
    await cp(join(EXAMPLES, plan, 'infrastructure/sandbox'), place, { recursive: true });
    expect((await terraform(place, 'init', '-backend=false', '-input=false')).exitCode).toBe(0);
    const { exitCode, stdout } = await terraform(place, 'validate', '-no-color');
    expect(exitCode, stdout).toBe(0);
  });

  it.skipIf(!hasProvider)('aws is valid for the aws provider', async () => {
    expect(await initialize(plan)).toBe(true);
    const { exitCode, stdout } = await terraform(join(folder, plan), 'validate', '-no-color');
    expect(exitCode, stdout).toBe(0);
  });
});
