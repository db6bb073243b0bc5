/** examples/github-actions: the document's commands, as GitHub gets them; its deploys run against the double. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createGithubActionsTarget } from '../../src/adapters/targets/githubActions/index.js';
import { PACE } from '../../src/adapters/targets/githubActions/pace.js';
import { schema } from '../../src/adapters/targets/githubActions/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { RolloutContext } from '../../src/contract/activities.js';
import type { DeployStep, Json } from '../../src/plan/resolved.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { ADMIN_TOKEN, type GithubDouble, openGithub, TOKEN } from '../support/github-actions-api.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/github-actions/', import.meta.url));

const activities = createDeployActivities({
  targets: new Map([
    [
      'githubActions',
      checked(schema, createGithubActionsTarget({ ...PACE, pollMs: 50, durableMs: 5, switchMs: 1_000 })),
    ],
  ]),
  references: new References({
    allowed: ['GITHUB_TOKEN', 'ADMIN_TOKEN'],
    env: { GITHUB_TOKEN: TOKEN, ADMIN_TOKEN },
    readSecret: async () => '',
    redactor: new Redactor(),
  }),
  resolveImage: async () => ({ why: 'no image here' }),
});
const run = <T>(act: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(act);

async function deployOf(stage: string, double: GithubDouble) {
  const address = { github: double.url, staging: double.app, production: double.app };
  const { plan, faults } = await loadPlan(`${EXAMPLE}rollout.yaml`, address);
  expect(faults).toEqual([]);
  const steps = plan?.stages.find(({ name }) => name === stage)?.steps ?? [];
  const step = steps.find((each): each is DeployStep => each.kind === 'deploy');
  if (!plan || !step) throw new Error(`no deploy in ${stage}`);
  const context: RolloutContext = {
    application: plan.application,
    version: plan.version,
    runId: 'run-1',
    directory: EXAMPLE,
    startedBy: 'ana',
  };
  return { context, step };
}

/** Looked at, deployed, taken back: what was dispatched. */
async function thereAndBack(stage: string, double: GithubDouble) {
  const input = await deployOf(stage, double);
  const look = await run(() => activities.lookRelease(input));
  const context = { ...input.context, startedAt: new Date().toISOString() };
  const base = look.found;
  const candidate = { ...base.live, version: context.version };
  const live = await run(() => activities.promoteRelease({ ...input, context, base, candidate }));
  expect(live.version).toBe('v1.0.1');
  double.options.deploys = undefined;
  const restored = await run(() => activities.restoreTraffic({ ...input, context, base }));
  expect(restored).toMatchObject({ changed: true });
  const after = await run(() => activities.lookRelease({ ...input, context }));
  expect(after.found.live).toEqual(base.live);
  return { look, dispatched: double.dispatched().map(({ body }) => body as { [key: string]: Json }) };
}

describe('examples/github-actions', () => {
  let double: GithubDouble;
  afterEach(async () => {
    await double.close();
    expect(double.faults).toEqual([]);
  });

  it("production: the document's command, and the one of its rollback plan", async () => {
    double = await openGithub({ ends: 'success' });
    const { look, dispatched } = await thereAndBack('production', double);
    expect(look).toMatchObject({ effect: 'detectable', found: { staged: false } });
    const rollout = (purpose: string) => expect.stringContaining(`run-1:production/deploy:${purpose}:`);
    expect(dispatched).toEqual([
      {
        ref: 'v1.0.1',
        inputs: { environment: 'production', strategy: 'blue-green', rollout: rollout('deploy') },
        return_run_details: true,
      },
      {
        ref: 'v1.0.0',
        inputs: { environment: 'production', strategy: 'immediate', rollout: rollout('rollback') },
        return_run_details: true,
      },
    ]);
  });

  it('staging: on main, and back on the tag of before', async () => {
    double = await openGithub({
      workflow: 'deploy-staging.yml',
      inputs: ['rollout'],
      ends: 'success',
      deploys: 'v1.0.1',
    });
    const { dispatched } = await thereAndBack('staging', double);
    expect(dispatched.map(({ ref }) => ref)).toEqual(['main', 'v1.0.0']);
  });

  it('an approval covers the commit of a tag that is there, and one that is made later is no drift', async () => {
    double = await openGithub();
    const input = await deployOf('production', double);
    const pinned = await run(() => activities.lookRelease(input));
    expect(pinned.changes).toContain(`production: v1.0.1 is ${double.commitOf('v1.0.1')}`);
    double.fault = ({ path }, response) => {
      if (!path.includes('/commits/')) return false;
      response.writeHead(404).end('{"message":"Not Found"}');
      return true;
    };
    const before = await run(() => activities.lookRelease(input));
    expect(before.found.pinned).toBeUndefined();
    expect(pinned.unpinnedDigest).toBe(before.digest);
    expect(pinned.digest).not.toBe(before.digest);
  });

  it.each(['production', 'staging'])('the sample workflow of %s fits: inputs, run-name', async (stage) => {
    double = await openGithub();
    const { step } = await deployOf(stage, double);
    const { workflow, inputs = {}, correlationInput } = schema.parse(step.config.targetConfig);
    const sample = parse(await readFile(`${EXAMPLE}workflows/${workflow}`, 'utf8'));
    const declared = Object.keys(sample.on.workflow_dispatch.inputs);
    expect(declared).toEqual(expect.arrayContaining([...Object.keys(inputs), correlationInput]));
    expect(sample['run-name']).toContain(`inputs.${correlationInput}`);
  });
});
