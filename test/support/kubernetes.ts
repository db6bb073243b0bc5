/** A namespace of its own on the control plane that HEADGATE_TEST_KUBECONFIG names, with an application in it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Cluster, createKubernetes } from '../../src/tools/kubernetes/client.js';

const KUBECONFIG = process.env.HEADGATE_TEST_KUBECONFIG ?? '';

/** For `describe.skipIf`: true, and said aloud, when there is none. Where it is required that is a failure. */
export function kubernetesIsMissing(): boolean {
  if (KUBECONFIG !== '') return false;
  const how = 'no control plane: name the kubeconfig of one in HEADGATE_TEST_KUBECONFIG.';
  if (process.env.HEADGATE_TEST_KUBERNETES === 'required') throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}

/** What a worker on this machine would have. */
export function kubernetesEnv(): NodeJS.ProcessEnv {
  return { KUBECONFIG };
}

export interface Namespace {
  name: string;
  /** Of the administrator, as long as the test runs. */
  cluster: Cluster;
  kubectl(...args: string[]): Promise<string>;
  apply(...manifests: object[]): Promise<void>;
  remove(): Promise<void>;
}

let count = 0;

export async function openNamespace(): Promise<Namespace> {
  count += 1;
  const name = `headgate-${process.pid}-${Date.now().toString(36)}-${count}`;
  const kubectl = async (...args: string[]) => run(['--namespace', name, ...args]);
  await run(['create', 'namespace', name]);
  const connect = createKubernetes(kubernetesEnv());
  return {
    name,
    cluster: await connect(undefined, new AbortController().signal),
    kubectl,
    async apply(...manifests) {
      await run(
        ['--namespace', name, 'apply', '-f', '-'],
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests }),
      );
    },
    remove: async () => void (await run(['delete', 'namespace', name, '--wait=false'])),
  };
}

async function run(args: string[], input?: string): Promise<string> {
  const running = promisify(execFile)('kubectl', args, {
    env: { ...process.env, KUBECONFIG },
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

export interface ShopOptions {
  image?: string;
  replicas?: number;
  /** Of the pod template. */
  annotations?: { [key: string]: string };
  progressDeadlineSeconds?: number;
}

/** A Deployment `shop` behind a Service `shop`, three of v1.0.0. */
export function shop({
  image = 'registry/shop:v1.0.0',
  replicas = 3,
  annotations = {},
  progressDeadlineSeconds = 60,
}: ShopOptions = {}): object[] {
  const labels = { app: 'shop' };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'shop' },
      spec: {
        replicas,
        progressDeadlineSeconds,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations },
          spec: { containers: [{ name: 'shop', image, ports: [{ containerPort: 8080 }] }] },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'shop' },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ];
}

/** What the target is configured with for that application. */
export function shopConfig(namespace: string) {
  return { namespace, deployment: 'shop', service: 'shop', url: 'http://shop.example' };
}

/** A namespace with the application, rolled out. */
export async function openShop(options: ShopOptions = {}): Promise<Namespace> {
  const namespace = await openNamespace();
  await namespace.apply(...shop(options));
  await namespace.kubectl('rollout', 'status', 'deployment/shop', '--timeout=30s');
  return namespace;
}
