/** The deploy steps of examples/kubernetes, through the activities that carry them out, on its own manifests. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { DeployInput, Release } from '../../src/contract/activities.js';
import type { DeployStep } from '../../src/plan/resolved.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { kubernetesEnv, kubernetesIsMissing, type Namespace, openNamespace } from '../support/kubernetes.js';
import { subjectOf } from '../support/subject.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/kubernetes/', import.meta.url));
const DIGEST = `your-registry/whatsapp-saas:v1.0.1@sha256:${'b'.repeat(64)}`;

describe.skipIf(kubernetesIsMissing())('examples/kubernetes', () => {
  let namespace: Namespace;
  beforeEach(async () => {
    namespace = await openNamespace();
    const manifests = parseAllDocuments(await readFile(`${EXAMPLE}whatsapp-saas.yaml`, 'utf8'));
    await namespace.apply(...manifests.map((each) => each.toJS() as object));
    await namespace.kubectl('rollout', 'status', 'deployment/whatsapp-saas', '--timeout=30s');
  });
  afterEach(() => namespace.remove());

  const target = checked(schema, createKubernetesTarget({ kubernetes: createKubernetes(kubernetesEnv()) }));
  const activities = createDeployActivities({
    targets: new Map([[target.kind, target]]),
    references: { resolve: async (value) => value },
    resolveImage: async () => ({ image: DIGEST }),
  });
  const run = <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input): Promise<Result> =>
    new MockActivityEnvironment().run(activity, input);

  const inputOf = async (stage: string): Promise<DeployInput> => {
    const { plan } = await loadPlan(`${EXAMPLE}rollout.yaml`, {});
    const step = plan?.stages
      .find(({ name }) => name === stage)
      ?.steps.find((each): each is DeployStep => each.kind === 'deploy');
    if (!step) throw new Error(`${stage} deploys nothing`);
    const targetConfig = { ...step.config.targetConfig, namespace: namespace.name };
    const { context } = subjectOf(EXAMPLE);
    return { context, step: { ...step, config: { ...step.config, targetConfig } } };
  };
  const imageOf = (deployment: string) =>
    namespace.kubectl(
      'get',
      'deployment',
      deployment,
      '-o',
      'jsonpath={.spec.template.spec.containers[0].image}',
    );

  it('staging: looked at, deployed by its digest, deployed once more after a crash, and taken back', async () => {
    const input = await inputOf('staging');
    const look = await run(activities.lookRelease, input);
    expect(look.found).toMatchObject({ live: { version: 'v1.0.0' }, staged: false, image: DIGEST });
    expect(look.found.scale).toEqual({ replicas: 3, surge: 1 });
    const base = look.found;
    const candidate: Release = { ...base.live, version: 'v1.0.1' };
    const live = await run(activities.promoteRelease, { ...input, base, candidate });
    expect([live.version, await imageOf('whatsapp-saas')]).toEqual(['v1.0.1', DIGEST]);
    expect(await run(activities.promoteRelease, { ...input, base, candidate })).toEqual(live);
    const undone = await run(activities.restoreTraffic, { ...input, base });
    expect(undone).toMatchObject({ changed: true });
    expect(await run(activities.restoreTraffic, { ...input, base })).toMatchObject({ changed: false });
    const after = await run(activities.lookRelease, input);
    expect(after.found).toEqual(look.found);
  });

  it('production: prepared, promoted, settled, and made anew when it is taken back later', async () => {
    const input = await inputOf('production');
    const { found: base } = await run(activities.lookRelease, input);
    const candidate = await run(activities.prepareRelease, { ...input, base });
    expect(candidate).toMatchObject({
      version: 'v1.0.1',
      url: 'http://whatsapp-saas-preview.production.svc',
    });
    await run(activities.promoteRelease, { ...input, base, candidate });
    expect(await imageOf('whatsapp-saas-green')).toBe(DIGEST);
    await run(activities.retireRelease, { ...input, base, release: base.live });
    expect(await run(activities.restoreTraffic, { ...input, base })).toMatchObject({ gone: true });
    const again = await run(activities.recreateRelease, { ...input, base });
    expect(again).toEqual(base.live);
    const { found } = await run(activities.lookRelease, input);
    expect([found.live, found.candidate, found.unsettled]).toEqual([base.live, null, undefined]);
  });
});
