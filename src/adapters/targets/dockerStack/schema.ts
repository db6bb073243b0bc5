import { z } from 'zod';
import { httpUrl, planPath, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    file: planPath(
      'The stack file. It takes ${HEADGATE_VERSION}, or ${HEADGATE_IMAGE} where the step names an image.',
      'docker-stack-production.yml',
    ),
    stack: text('Name of the stack. It has been deployed before.'),
    service: text(
      'The service of the stack that is the application: its image tells the version. The only one when left out.',
    ).optional(),
    env: z.record(z.string(), z.string()).optional().describe('Further variables of the stack file.'),
    url: httpUrl('Where live traffic comes in.').meta({ examples: ['https://shop.example.com'] }),
  })
  .describe('A stack of Docker Swarm. Opaque.');

export const traits = {
  strategies: ['rolling', 'immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
