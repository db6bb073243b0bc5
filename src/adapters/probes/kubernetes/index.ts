/** A Deployment as its controller sees it, and why its pods do not run. */
import type { ConnectKubernetes } from '../../../tools/kubernetes/client.js';
import { selectorOf } from '../../../tools/kubernetes/releases.js';
import type { Probe } from '../probe.js';
import { readInTime } from '../reading.js';
import { followState } from './follow.js';
import type { Config } from './schema.js';
import { describeState } from './state.js';

export interface KubernetesProbeDeps {
  kubernetes: ConnectKubernetes;
}

/** An API server that does not answer, or refuses, is an `error`. */
export function createKubernetesProbe({ kubernetes }: KubernetesProbeDeps): Probe<Config> {
  return {
    kind: 'kubernetes',
    writes: () => false,
    inForcePaths: () => [],
    async sample(request) {
      const config = ofRelease(request.config);
      const { context, namespace, deployment: name } = config;
      const read = await readInTime(request, async (end) => {
        const cluster = await kubernetes(context, end);
        const deployment = await cluster.find('deployments', namespace, name);
        if (!deployment) return { deployment, pods: [] };
        const { items } = await cluster.list('pods', namespace, { labelSelector: selectorOf(deployment) });
        return { deployment, pods: items };
      });
      return read.kind === 'read' ? describeState(read.value, config) : read;
    },
    following: {
      wanted: ({ follow }) => follow === true,
      follow: (request) => followState(kubernetes, { ...request, config: ofRelease(request.config) }),
    },
  };
}

/** A release's id begins with the Deployment that it lives in. */
function ofRelease(config: Config): Config {
  const [deployment = config.deployment] = config.release?.split('@') ?? [];
  return { ...config, deployment };
}
