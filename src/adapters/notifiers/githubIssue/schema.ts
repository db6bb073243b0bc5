import { z } from 'zod';
import { githubRepository, httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    repository: githubRepository(),
    token: text('A token that may write issues there, as a reference.').meta({
      examples: ['${env:GITHUB_TOKEN}'],
    }),
    labels: z
      .array(z.string().min(1))
      .optional()
      .describe('Put on the issue. GitHub makes those that are not there yet, if the token may push.')
      .meta({ examples: [['URGENT']] }),
    baseUrl: httpUrl('Of the API of GitHub Enterprise; https://api.github.com without it.')
      .meta({ examples: ['https://github.example.com/api/v3', 'https://api.example.ghe.com'] })
      .optional(),
  })
  .describe(
    'An issue on GitHub for each rollout that has something to tell; what follows are comments on it.',
  );

export type Config = z.infer<typeof schema>;
