/** With the rights of examples/kubernetes/rbac.yaml and no others: all of it works, and what is missing is named. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { type BoundTarget, checked } from '../../src/adapters/targets/registry.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { kubernetesEnv, kubernetesIsMissing, type Namespace, openNamespace } from '../support/kubernetes.js';
import { waitFor } from '../support/processes.js';
import { targetCall } from '../support/target-call.js';

const EXAMPLES = new URL('../../examples/kubernetes/', import.meta.url);
const NAME = 'whatsapp-saas';

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

const readManifests = async (file: string) =>
  parseAllDocuments(await readFile(new URL(file, EXAMPLES), 'utf8')).map((each) => each.toJS() as object);
const rules = parseAllDocuments(await readFile(new URL('rbac.yaml', EXAMPLES), 'utf8'))
  .map((each) => each.toJS() as { kind: string; rules: Rule[] })
  .flatMap((each) => (each.kind === 'Role' ? each.rules : []));

describe.skipIf(kubernetesIsMissing())('the Role of the example', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headgate-rbac-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** A worker with the token of the example's ServiceAccount, whose Role lacks `without`. */
  const open = async (without?: { rule: Rule; verb: string }) => {
    const namespace = await openNamespace();
    const manifests = [...(await readManifests('rbac.yaml')), ...(await readManifests('whatsapp-saas.yaml'))];
    const granted = rules.map((rule) =>
      rule === without?.rule ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== without.verb) } : rule,
    );
    await namespace.apply(
      ...manifests.map((each) =>
        'rules' in each ? { ...each, rules: granted.filter(({ verbs }) => verbs.length > 0) } : each,
      ),
    );
    await namespace.kubectl('rollout', 'status', `deployment/${NAME}`, '--timeout=30s');
    const kubeconfig = await asServiceAccount(
      namespace,
      without?.rule.resources[0] === 'pods' ? 'replicasets' : 'pods',
    );
    const target = checked(
      schema,
      createKubernetesTarget({ kubernetes: createKubernetes({ KUBECONFIG: kubeconfig }) }),
    );
    const config = { namespace: namespace.name, deployment: NAME, service: NAME, url: 'http://shop.example' };
    const bind = (strategy: 'rolling' | 'blueGreen') =>
      target.bind(targetCall('/nowhere', config, { strategy, image: 'your-registry/whatsapp-saas:v1.0.1' }));
    return { namespace, bind };
  };

  /** @param known what it may list */
  const asServiceAccount = async (namespace: Namespace, known: string) => {
    const token = (await namespace.kubectl('create', 'token', 'headgate')).trim();
    const file = join(folder, namespace.name);
    const config = parse(await readFile(kubernetesEnv().KUBECONFIG ?? '', 'utf8'));
    const [cluster] = config.clusters;
    await writeFile(
      file,
      stringify({
        ...config,
        'current-context': 'worker',
        contexts: [{ name: 'worker', context: { cluster: cluster.name, user: 'worker' } }],
        users: [{ name: 'worker', user: { token } }],
      }),
      { mode: 0o600 },
    );
    // What is granted comes into force a moment after it has been written.
    const who = `--as=system:serviceaccount:${namespace.name}:headgate`;
    const isGranted = () =>
      namespace.kubectl('auth', 'can-i', 'list', known, who).then(
        (said) => said.trim() === 'yes',
        () => false,
      );
    await waitFor(isGranted, 'the Role to be in force');
    return file;
  };

  /** Everything that a rollout may ask of the target, the way back and the next one included. */
  const everything = async (bind: (strategy: 'rolling' | 'blueGreen') => BoundTarget) => {
    const blueGreen = bind('blueGreen');
    const { live } = await blueGreen.status();
    const candidate = await blueGreen.prepare();
    await blueGreen.promote(candidate);
    await blueGreen.restore(live);
    await blueGreen.retire(candidate);
    await blueGreen.restart(live);
    expect(await blueGreen.logs(live, 'current')).toContain('app started');
    const rolling = bind('rolling');
    await rolling.promote({ ...live, version: 'v1.0.1' });
    await rolling.restore(live);
    expect((await rolling.status()).live).toEqual(live);
  };

  const autoscaler = (namespace: Namespace) =>
    namespace.apply({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: NAME },
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: NAME } },
    });

  it('is enough for everything', async () => {
    const { namespace, bind } = await open();
    await autoscaler(namespace);
    await everything(bind);
    await namespace.remove();
  });

  const cases = rules.flatMap((rule) =>
    rule.verbs.map((verb) => ({ rule, verb, resource: rule.resources[0] ?? '' })),
  );

  it.each(cases.filter(({ verb }) => verb !== 'watch'))(
    'has nothing to spare: without $verb of $resource the error names the rule',
    async ({ rule, verb, resource }) => {
      const { namespace, bind } = await open({ rule, verb });
      await autoscaler(namespace);
      const [group] = rule.apiGroups;
      await expect(everything(bind)).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining(
          `Add to its Role in namespace ${namespace.name} the rule { apiGroups: ["${group}"], resources: ["${resource}"], verbs: ["${verb}"] }`,
        ),
      });
      await namespace.remove();
    },
  );

  it.each(cases.filter(({ verb }) => verb === 'watch'))(
    'without watch of $resource it looks again and again instead',
    async ({ rule, verb }) => {
      const { namespace, bind } = await open({ rule, verb });
      await everything(bind);
      await namespace.remove();
    },
  );
});
