import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: httpUrl('The endpoint that tells the version.'),
    bearer: text('Sent as Authorization: Bearer …')
      .meta({ examples: ['${env:ADMIN_TOKEN}'] })
      .optional(),
  })
  .describe('The version that the application says it is. Sample: version.');

export type Config = z.infer<typeof schema>;
