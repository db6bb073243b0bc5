import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    step: text('A loadTest step that has run before.').meta({ examples: ['staging/loadTest'] }),
  })
  .describe('Figures of an earlier load test; expectations name metric and path.');

export type Config = z.infer<typeof schema>;
