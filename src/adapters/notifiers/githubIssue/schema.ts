import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    repository: text('owner/name.').meta({ examples: ['acme/shop'] }),
    token: text('A token, as a reference.').meta({ examples: ['${env:GITHUB_TOKEN}'] }),
    labels: z.array(z.string().min(1)).optional().describe('Put on the issue.'),
  })
  .describe('An issue on GitHub.');
