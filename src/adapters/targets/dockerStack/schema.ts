import { z } from 'zod';
import { httpUrl, planPath, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    file: planPath('The stack file.', 'docker-stack-production.yml'),
    stack: text('Name of the stack.'),
    url: httpUrl('Where live traffic comes in.'),
  })
  .describe('A stack of Docker Swarm. Opaque.');

export const traits = {
  strategies: ['rolling', 'immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
