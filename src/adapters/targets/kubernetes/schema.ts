import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    context: text("Context of the worker's kubeconfig.").optional(),
    namespace: text('Namespace of both.'),
    deployment: text('The Deployment that runs the application.'),
    service: text('The Service whose selector is switched.'),
    container: text('Its container; without it the only one.').optional(),
    url: httpUrl('Where live traffic comes in.'),
  })
  .describe('A Deployment behind a Service.');

export const traits = {
  strategies: ['blueGreen', 'rolling'],
  staged: ({ strategy }: { strategy: string }) => strategy === 'blueGreen',
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
