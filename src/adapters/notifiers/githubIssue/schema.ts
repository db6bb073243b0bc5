import { z } from 'zod';
import { hasReference, httpUrl, text } from '../../../plan/scalars.js';

/** GitHub has no owner and no repository of dots alone, which would lead elsewhere in a path. */
const REPOSITORY = /^(?!\.{1,2}\/)[\w.-]+\/(?!\.{1,2}$)[\w.-]+$/;

export const schema = z
  .strictObject({
    repository: text('owner/name.')
      .refine((value) => hasReference(value) || REPOSITORY.test(value), {
        error: 'expected owner/name',
        params: {
          code: 'badName',
          expected: 'owner/name',
          fix: 'Write the owner, a slash and the name, as in the address of the repository: acme/shop.',
        },
      })
      .meta({ examples: ['acme/shop'] }),
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
