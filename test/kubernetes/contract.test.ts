/** The promises of every target, kept on a real control plane by both ways. */
import { describe } from 'vitest';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { describeTarget } from '../support/describe-target.js';
import { kubernetesEnv, kubernetesIsMissing, openShop, shopConfig } from '../support/kubernetes.js';
import { targetCall } from '../support/target-call.js';

describe.skipIf(kubernetesIsMissing())('on a control plane', () => {
  for (const strategy of ['rolling', 'blueGreen'] as const) {
    const open = async () => {
      const namespace = await openShop();
      const target = checked(
        schema,
        createKubernetesTarget({ kubernetes: createKubernetes(kubernetesEnv()) }),
      );
      return {
        target,
        call: targetCall('/nowhere', shopConfig(namespace.name), { strategy, image: 'registry/shop:v1.0.1' }),
        logs: { current: 'app started' },
        close: () => namespace.remove(),
      };
    };
    describeTarget('kubernetes', open, { way: strategy, opaque: strategy === 'rolling' });
  }
});
