/** What taints the verdict on a release on Kubernetes: its template, whoever changes it; never how many pods run. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRelease } from '../../src/activities/deploy/fence.js';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { Release } from '../../src/contract/activities.js';
import type { DeployStep, DeployStrategy } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import {
  kubernetesEnv,
  kubernetesIsMissing,
  type Namespace,
  openShop,
  shopConfig,
} from '../support/kubernetes.js';
import { deployStep } from '../support/plans.js';
import { subjectOf } from '../support/subject.js';

const references = new References({
  allowed: [],
  env: {},
  readSecret: async () => '',
  redactor: new Redactor(),
});
const target = checked(schema, createKubernetesTarget({ kubernetes: createKubernetes(kubernetesEnv()) }));

describe.skipIf(kubernetesIsMissing())('a fence', () => {
  let namespace: Namespace;
  beforeEach(async () => {
    namespace = await openShop();
  });
  afterEach(() => namespace.remove());

  const read = (strategy: DeployStrategy, made: Release = { id: '', version: '', url: '' }) => {
    const plain = deployStep('production', strategy);
    const step: DeployStep = {
      ...plain,
      config: { ...plain.config, target: 'kubernetes', targetConfig: shopConfig(namespace.name) },
    };
    const { context } = subjectOf('/nowhere');
    return readRelease(
      { targets: new Map([[target.kind, target]]), references },
      { context, step, made },
      new AbortController().signal,
    );
  };
  const liveNow = async (strategy: DeployStrategy): Promise<Release> => {
    const now = (await read(strategy))?.now;
    if (now?.kind !== 'release') throw new Error('nothing is live');
    return now.release;
  };

  it.each<DeployStrategy>(['rolling', 'blueGreen'])(
    '%s: scaling and starting again are the same release, another image is not',
    async (strategy) => {
      const made = await liveNow(strategy);
      expect(await read(strategy, made)).toBeUndefined();
      // As an autoscaler does.
      await namespace.kubectl('scale', 'deployment/shop', '--replicas=5');
      await namespace.kubectl('rollout', 'restart', 'deployment/shop');
      expect(await read(strategy, made)).toBeUndefined();
      await namespace.kubectl(
        'patch',
        'deployment/shop',
        '--type=json',
        '--patch=[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"registry/shop:v9"}]',
      );
      expect(await read(strategy, made)).toMatchObject({
        what: 'live release of production/deploy',
        found: expect.stringMatching(/^shop@\w+ \(v9\)$/),
      });
    },
  );

  it('the same image with another environment is another release', async () => {
    const made = await liveNow('rolling');
    await namespace.kubectl('set', 'env', 'deployment/shop', 'POOL=99');
    const reading = await read('rolling', made);
    expect(reading?.found).toContain(`(${made.version})`);
    expect(reading?.found).not.toBe(reading?.expected);
  });
});
