import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    repository: text('owner/name.').meta({ examples: ['acme/shop'] }),
    workflow: text('File name of the workflow.').meta({ examples: ['deploy-production.yml'] }),
    ref: text('Branch or tag that the workflow runs on.').optional(),
    inputs: z.record(z.string().min(1), z.string()).optional().describe('Inputs of the workflow.'),
    token: text('A token, as a reference.').meta({ examples: ['${env:GITHUB_TOKEN}'] }),
    url: httpUrl('Where live traffic comes in.'),
  })
  .describe('A workflow of GitHub Actions that deploys. Opaque.');

export const traits = {
  strategies: ['blueGreen', 'rolling', 'immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
