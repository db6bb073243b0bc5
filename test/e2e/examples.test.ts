/** The plans in examples/ whose parts the sandbox has: looked at before anything is done, and carried out in it. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findInfraTool } from '../../src/tools/terraform/program.js';
import type { Line } from '../support/product.js';
import { startApproved } from '../support/start-approved.js';
import { bringUp, type Story } from '../support/story.js';
import { terraformIsMissing } from '../support/terraform.js';

const IMPROVEMENTS = fileURLToPath(new URL('../../examples/optional-improvements/', import.meta.url));
const [REDIS, MONITORING, RETRY] = ['redis', 'monitoring', 'ai-retry'].map(
  (name) => `${IMPROVEMENTS}${name}.rollout.yaml`,
);
const missing = await terraformIsMissing();

describe.skipIf(missing)('the optional improvements, in the sandbox', () => {
  let story: Story;
  let program = '';
  beforeAll(async () => {
    program = (await findInfraTool('terraform')).path;
    story = await bringUp();
    baseline();
    await story.startWorker();
  });
  afterAll(() => story?.stop());

  const terraform = (...args: string[]) =>
    execFileSync(program, [`-chdir=${IMPROVEMENTS}infrastructure/sandbox`, ...args, '-no-color'], {
      env: { ...story.product.env, TF_DATA_DIR: `${story.product.home}/terraform-of-the-test` },
      encoding: 'utf8',
      stdio: 'pipe',
    });

  /** As the README has it. */
  function baseline(): void {
    terraform(
      'init',
      '-input=false',
      `-backend-config=path=${story.sandbox.SANDBOX_STATE}/improvements.tfstate`,
    );
    terraform('apply', '-input=false', '-auto-approve', '-var-file=production.tfvars');
  }

  const rollOut = (plan: string, ...vars: string[]) =>
    startApproved(story.product, 'whatsapp-saas', [plan, ...vars.flatMap((each) => ['--var', each])]);

  async function preview(plan: string): Promise<{ code: number | null; steps: Line[]; stderr: string }> {
    const { code, lines, stderr } = await story.product.run('plan', plan, '--json');
    return { code, stderr, steps: lines.filter(({ type }) => type === 'step') };
  }

  const changesOf = (steps: Line[], step: string) => {
    const found = steps.find((line) => line.step === step)?.data as
      | { look?: { changes: string[]; undo?: string } }
      | undefined;
    return found?.look;
  };

  async function alarms(): Promise<string[]> {
    const {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID = '',
      AWS_SECRET_ACCESS_KEY = '',
    } = story.sandbox;
    const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
    const client = new CloudWatchClient({ endpoint, region, credentials });
    const { MetricAlarms = [] } = await client.send(
      new DescribeAlarmsCommand({ AlarmNamePrefix: 'whatsapp-saas-monitoring-' }),
    );
    client.destroy();
    return MetricAlarms.map(({ AlarmName = '' }) => AlarmName).sort();
  }

  test('Redis: the preview names the one resource and its way back; approved, probed, promoted; undone', async () => {
    const { code, steps, stderr } = await preview(REDIS ?? '');
    expect(code, stderr).toBe(0);
    expect(changesOf(steps, 'redis')).toMatchObject({
      changes: [
        expect.stringMatching(
          /^module\.cache\.terraform_data\.redis: .*cache\.t3\.medium.* → .*cache\.t3\.large/,
        ),
      ],
      undo: expect.stringContaining('redis_node_type = cache.t3.medium'),
    });
    const done = await rollOut(REDIS ?? '', 'monitorFor=2s', 'monitorInterval=500ms');
    expect([done.code, done.lines.at(-1)?.status], done.stderr).toEqual([0, 'promoted']);
    expect(terraform('show')).toContain('cache.t3.large');
    const undone = await story.product.run('undo', 'whatsapp-saas', '--watch', '--json');
    expect([undone.code, undone.lines.at(-1)?.status], undone.stderr).toEqual([1, 'rolledBack']);
    expect(terraform('show')).toContain('cache.t3.medium');
  });

  test('monitoring: only module.monitoring is planned, and CloudWatch has its alarms', async () => {
    const { code, steps, stderr } = await preview(MONITORING ?? '');
    expect(code, stderr).toBe(0);
    expect(
      changesOf(steps, 'monitoring')
        ?.changes.map((line) => line.split(':')[0])
        .sort(),
    ).toEqual([
      'module.monitoring.terraform_data.alarm["error-rate"]',
      'module.monitoring.terraform_data.alarm["pool-waiting"]',
      'module.monitoring.terraform_data.alarm["response-time"]',
    ]);
    expect(await alarms()).toEqual([]);
    const done = await rollOut(MONITORING ?? '');
    expect([done.code, done.lines.at(-1)?.status], done.stderr).toEqual([0, 'promoted']);
    expect(await alarms()).toHaveLength(3);
    const undone = await story.product.run('undo', 'whatsapp-saas', '--watch', '--json');
    expect([undone.code, undone.lines.at(-1)?.status], undone.stderr).toEqual([1, 'rolledBack']);
    expect(await alarms()).toEqual([]);
  });

  test('AI API retry: a release like any other, through staging into production', async () => {
    const { code, steps, stderr } = await preview(RETRY ?? '');
    expect(code, stderr).toBe(0);
    expect(steps.map(({ stage, step, status }) => `${stage}/${step} ${status}`)).toEqual([
      'staging/settings pending',
      'staging/deploy pending',
      'staging/businessFlow pending',
      'production/approval pending',
      'production/validate pending',
      'production/settings pending',
      'production/tag pending',
      'production/deploy pending',
      'production/monitor pending',
    ]);
    const done = await rollOut(RETRY ?? '', 'monitorFor=2s', 'monitorInterval=500ms');
    expect([done.code, done.lines.at(-1)?.status], done.stderr).toEqual([0, 'promoted']);
  });

  test('the story itself, looked at by the same worker', async () => {
    const { code, steps, stderr } = await preview(
      fileURLToPath(new URL('../../examples/connection-pool-fix/rollout.yaml', import.meta.url)),
    );
    expect(code, stderr).toBe(0);
    expect(steps).toHaveLength(16);
  });
});
