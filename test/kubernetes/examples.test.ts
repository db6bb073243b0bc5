/** The examples of the reference that need Kubernetes, started; and the company of examples/, looked at in four clusters. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleOf } from '../../scripts/reference/files.js';
import type { DeployFound, Look } from '../../src/contract/activities.js';
import { kubernetesEnv, kubernetesIsMissing, type Namespace, openShop } from '../support/kubernetes.js';
import { motoIsMissing } from '../support/moto.js';
import { ReferenceWorld } from '../support/reference-world.js';

const COMPANY = fileURLToPath(new URL('../../examples/company/rollout.yaml', import.meta.url));
const STAGES = {
  dev: 'eu-central-1',
  staging: 'eu-central-1',
  'production-eu': 'eu-central-1',
  'production-us': 'us-east-1',
};
const NEW_IMAGE = 'registry/shop:v2.3.0';

describe.skipIf(kubernetesIsMissing() || motoIsMissing())('on a control plane', () => {
  let world: ReferenceWorld;
  let namespace: Namespace;
  let kubeconfig = '';
  beforeAll(async () => {
    namespace = await openShop({ image: 'registry/shop:v2.2.0' });
    kubeconfig = await writeKubeconfig(namespace);
    world = await ReferenceWorld.open({ env: { KUBECONFIG: kubeconfig }, maxConnections: '500' });
  });
  afterAll(async () => {
    await world?.close();
    await namespace?.remove();
    await rm(dirname(kubeconfig), { recursive: true, force: true });
  });

  const promote = async (kind: Parameters<typeof exampleOf>[0], vars: Record<string, string>) => {
    const { code, lines, stderr } = await world.start(exampleOf(kind), {
      namespace: namespace.name,
      ...vars,
    });
    const said = `${stderr}\n${lines.map((line) => JSON.stringify(line)).join('\n')}`;
    expect([code, lines.at(-1)?.status], said).toEqual([0, 'promoted']);
  };

  it('probes/kubernetes is promoted', () => promote({ sort: 'probes', name: 'kubernetes' }, {}));

  it('targets/kubernetes is promoted, and the Service leads to the new image', async () => {
    await promote({ sort: 'targets', name: 'kubernetes' }, { image: NEW_IMAGE, address: world.url });
    const selector = JSON.parse(
      await namespace.kubectl('get', 'service', 'shop', '-o', 'jsonpath={.spec.selector}'),
    );
    const labels = Object.entries(selector).map(([key, value]) => `${key}=${String(value)}`);
    const images = await namespace.kubectl(
      'get',
      'pods',
      '-l',
      labels.join(','),
      '-o',
      'jsonpath={.items[*].spec.containers[0].image}',
    );
    expect(new Set(images.split(' '))).toEqual(new Set([NEW_IMAGE]));
  });

  it('the company: every step of every region is looked at, and nothing is in its way', async () => {
    for (const [stage, region] of Object.entries(STAGES)) {
      const aws = world.awsOf(region);
      await aws.putSecret(`shop/${stage}/config`, '{"DB_CONNECTION_LIMIT":"20","DB_POOL_TIMEOUT":"20"}');
      aws.close();
    }
    const { code, lines, stderr } = await world.product.run(
      'plan',
      COMPANY,
      '--json',
      '--var',
      `namespace=${namespace.name}`,
    );
    const steps = lines.filter(({ type }) => type === 'step');
    expect([code, steps.filter(({ status }) => status !== 'pending')], stderr).toEqual([0, []]);
    expect(steps).toHaveLength(14);
    const look = (stage: string, step: string) =>
      steps.find((line) => line.stage === stage && line.step === step)?.data.look as Look | undefined;
    for (const stage of Object.keys(STAGES)) {
      expect(look(stage, 'settings')?.changes).toHaveLength(2);
      expect(look(stage, 'deploy')?.found as DeployFound).toMatchObject({
        staged: stage !== 'dev',
        scale: { replicas: 3 },
      });
    }
  });
});

/** The one cluster under the names of the company's four. @returns the path */
async function writeKubeconfig(cluster: Namespace): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'headgate-company-')), 'kubeconfig');
  await copyFile(kubernetesEnv().KUBECONFIG ?? '', file);
  const config = (...args: string[]) => cluster.kubectl('--kubeconfig', file, 'config', ...args);
  const current = (key: string) => config('view', '--minify', '-o', `jsonpath={.contexts[0].context.${key}}`);
  const place = [`--cluster=${await current('cluster')}`, `--user=${await current('user')}`];
  for (const stage of Object.keys(STAGES)) await config('set-context', stage, ...place);
  return file;
}
