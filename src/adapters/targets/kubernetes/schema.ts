import { z } from 'zod';
import type { Json } from '../../../plan/resolved.js';
import { httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    context: text("Context of the worker's kubeconfig.").optional(),
    namespace: text('Namespace of both.'),
    deployment: text('The Deployment that runs the application.'),
    service: text('The Service whose selector is switched.'),
    container: text('Its container; without it the only one.').optional(),
    url: httpUrl('Where live traffic comes in.').meta({ examples: ['https://shop.example.com'] }),
    previewService: text(
      'With blueGreen: the Service that leads to the candidate. Without it one is made: <service>-preview.',
    ).optional(),
    previewUrl: httpUrl(
      "With blueGreen: where the candidate is reached. Without it the preview Service's address in the cluster.",
    ).optional(),
  })
  .describe('A Deployment behind a Service.');

export const traits = {
  strategies: ['blueGreen', 'rolling'],
  staged: ({ strategy }: { strategy: string }) => strategy === 'blueGreen',
  log({ context, namespace, deployment, container }: { [key: string]: Json }) {
    if (namespace === undefined || deployment === undefined) return undefined;
    return {
      kubernetes: {
        ...(context === undefined ? {} : { context }),
        namespace,
        deployment,
        ...(container === undefined ? {} : { container }),
        release: '${release:id}',
      },
    };
  },
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
