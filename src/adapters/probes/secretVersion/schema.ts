import { z } from 'zod';
import { region, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    id: text('Name or ARN of the secret.').meta({ examples: ['shop/production/config'] }),
    region: region().optional(),
  })
  .describe('The current version of a secret; its value is not read. Sample: versionId, stages.');

export type Config = z.infer<typeof schema>;
