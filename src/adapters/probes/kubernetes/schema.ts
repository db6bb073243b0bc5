import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    context: text("Context of the worker's kubeconfig.").optional(),
    namespace: text('Namespace of the Deployment.'),
    deployment: text('The Deployment.'),
    release: text('The release whose Deployment is meant; for blueGreen, where two Deployments take turns.')
      .meta({ examples: ['${release:id}'] })
      .optional(),
    container: text(
      'The container whose image and restarts are told; without it the first, and all restarts.',
    ).optional(),
    follow: z.boolean().optional().describe('In a monitor every change is judged as it comes.'),
  })
  .describe(
    'A Deployment and its pods. Sample: desired, ready, available, updated, unavailable, restarts, waiting, generation, image, conditions.',
  );

export type Config = z.infer<typeof schema>;
