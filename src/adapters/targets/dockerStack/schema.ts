import { z } from 'zod';
import { httpUrl, planPath, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    file: planPath('The stack file.', 'docker-stack-production.yml'),
    stack: text('Name of the stack.'),
    url: httpUrl('Where live traffic comes in.'),
  })
  .describe('A stack of Docker Swarm. Opaque.');
