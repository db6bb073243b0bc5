/** Where the cluster is and who the worker is there: the worker's own kubeconfig, else what a pod is given. */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { invalid } from '../../platform/failures.js';

const TOKEN_OF_A_POD = '/var/run/secrets/kubernetes.io/serviceaccount/token';
const MOST_SOCKETS = 32;

export interface Access {
  /** Of the API server, without a slash at its end. */
  server: string;
  /** Context and address, for people. */
  cluster: string;
  /** Headers and agent of the next request: a token that has run out is renewed here. */
  authorize(): Promise<Pick<RequestOptions, 'headers' | 'agent' | 'auth'>>;
}

type Agents = Map<string, HttpAgent | HttpsAgent>;

/**
 * Reads the kubeconfig anew when one of its files has changed; as long as none has, a credential plugin keeps its
 * token.
 * @throws ApplicationFailure `Invalid` when there is none, or no such context
 */
export function createKubeConfigs(env: NodeJS.ProcessEnv): (context?: string) => Promise<Access> {
  const loaded = new Map<string, Promise<KubeConfig>>();
  const agents: Agents = new Map();
  return async (context) => {
    const files = filesOf(env);
    const key = JSON.stringify([context, files.map((file) => [file, changedAt(file)])]);
    const known = loaded.get(key) ?? load(files, context);
    loaded.set(key, known);
    try {
      return accessOf(await known, agents);
    } catch (error) {
      loaded.delete(key);
      throw error;
    }
  };
}

function filesOf(env: NodeJS.ProcessEnv): string[] {
  const named = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (named.length > 0) return named;
  const usual = join(env.HOME || homedir(), '.kube', 'config');
  return existsSync(usual) ? [usual] : [];
}

function changedAt(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

async function load(files: string[], context: string | undefined): Promise<KubeConfig> {
  // It takes 0.7 s and 60 MB: only a worker that has to do with Kubernetes loads it.
  const { KubeConfig: Config } = await import('@kubernetes/client-node');
  const [first, ...others] = files;
  const config = new Config();
  try {
    if (first !== undefined) config.loadFromFile(first);
    else if (existsSync(TOKEN_OF_A_POD)) config.loadFromCluster();
    else throw new Error('there is none, and the worker is no pod of a cluster');
    for (const file of others) {
      const other = new Config();
      other.loadFromFile(file);
      config.mergeConfig(other, true);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(`The worker's kubeconfig cannot be read: ${why}. Name it in KUBECONFIG of the worker.`);
  }
  choose(config, context);
  return config;
}

function choose(config: KubeConfig, context: string | undefined): void {
  if (context !== undefined) {
    const names = config.getContexts().map(({ name }) => name);
    if (!names.includes(context)) {
      throw invalid(
        `The worker's kubeconfig has no context "${context}"; it has: ${names.join(', ') || 'none'}.`,
      );
    }
    config.setCurrentContext(context);
  }
  if (config.getCurrentCluster()) return;
  throw invalid(
    "The worker's kubeconfig has no current context with a cluster. Name a context in the plan, or set one: kubectl config use-context NAME",
  );
}

function accessOf(config: KubeConfig, agents: Agents): Access {
  const server = config.getCurrentCluster()?.server.replace(/\/+$/, '') ?? '';
  return {
    server,
    cluster: `${config.getCurrentContext()} (${server})`,
    async authorize() {
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new Error(`The worker could not get its credentials for ${server}: ${why.trim()}`);
      }
      return {
        headers: options.headers,
        auth: options.auth,
        agent: keptAgent(agents, server, options.agent),
      };
    },
  };
}

/** The library makes an agent for each request, and so a TLS handshake; the way back has no time for those. */
function keptAgent(agents: Agents, server: string, made: RequestOptions['agent']): RequestOptions['agent'] {
  const isPlain =
    made instanceof HttpAgent && [HttpAgent, HttpsAgent].some((each) => made.constructor === each);
  if (!isPlain) return made;
  const { options } = made as HttpsAgent;
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options;
  const identity = [server, ca, cert, key, pfx, passphrase, servername, rejectUnauthorized].map(String);
  const id = createHash('sha256').update(JSON.stringify(identity)).digest('hex');
  const kept = { ...options, keepAlive: true, maxSockets: MOST_SOCKETS };
  const agent = agents.get(id) ?? (made instanceof HttpsAgent ? new HttpsAgent(kept) : new HttpAgent(kept));
  agents.set(id, agent);
  return agent;
}
