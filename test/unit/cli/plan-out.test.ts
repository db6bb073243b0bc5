/** `plan --out`: what was reviewed, as a plan file that can be started. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plan } from '../../../src/cli/commands/plan.js';
import type { Context } from '../../../src/cli/context.js';
import { Output } from '../../../src/cli/output.js';
import { loadPlan } from '../../../src/platform/load-plan.js';

const PLAN = `
apiVersion: headgate/v1
application: shop
version: v1
vars: { wait: 5m, limit: 50 }
probes:
  healthy: { http: { url: "\${release:url}/healthz" }, expect: { path: status, equals: 200 } }
stages:
  - name: production
    steps:
      - secret: { awsSecretsManager: { id: shop }, set: { POOL: "\${var:limit}" } }
      - deploy: { command: { status: [a], promote: [b] }, strategy: immediate, afterPromotion: [healthy] }
      - monitor: { for: "\${var:wait}", probes: [healthy] }
`;

let folder: string;
let said: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-plan-out-'));
  await writeFile(join(folder, 'rollout.yaml'), PLAN);
  said = '';
});
afterEach(() => rm(folder, { recursive: true }));

function run(out: string, variables: Record<string, string> = {}) {
  const say = (text: string) => {
    said += text;
    return true;
  };
  const output = new Output({
    json: false,
    terminal: false,
    color: false,
    columns: 80,
    rows: 50,
    stdout: say,
    stderr: say,
  });
  return plan({ output } as unknown as Context, join(folder, 'rollout.yaml'), {
    offline: true,
    out,
    var: variables,
  });
}

describe('plan --out', () => {
  it('that ends in .yaml is a plan file which loads to the same plan, digest and all', async () => {
    const out = join(folder, 'reviewed.yaml');
    expect(await run(out)).toBe(0);
    const [before, after] = [await loadPlan(join(folder, 'rollout.yaml'), {}), await loadPlan(out, {})];
    expect(after.faults).toEqual([]);
    expect(after.plan).toEqual(before.plan);
    expect(said).not.toContain('put it into');
  });

  it('has the overrides put in, and its first line says them', async () => {
    const out = join(folder, 'reviewed.yml');
    await run(out, { wait: '20s' });
    const [first] = (await readFile(out, 'utf8')).split('\n');
    expect(first).toContain('--var "wait=20s"');
    const { plan: printed } = await loadPlan(out, {});
    expect(printed?.stages[0]?.steps.at(-1)?.config).toMatchObject({ forMs: 20_000 });
    const { plan: overridden } = await loadPlan(join(folder, 'rollout.yaml'), { wait: '20s' });
    expect(printed?.stages).toEqual(overridden?.stages);
    expect(printed?.overrides).toEqual({});
  });

  it('that ends otherwise is JSON with the plan', async () => {
    const out = join(folder, 'reviewed.json');
    await run(out);
    expect(JSON.parse(await readFile(out, 'utf8')).plan.application).toBe('shop');
  });

  it('in another folder says where it has to lie', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'headgate-elsewhere-'));
    await run(join(elsewhere, 'reviewed.yaml'));
    await rm(elsewhere, { recursive: true });
    expect(said).toContain(`put it into ${folder}`);
  });

  it('never overwrites the plan itself', async () => {
    await expect(run(join(folder, 'rollout.yaml'))).rejects.toMatchObject({ exitCode: 2 });
    expect(await readFile(join(folder, 'rollout.yaml'), 'utf8')).toBe(PLAN);
  });
});
