import { z } from 'zod';
import { githubRepository, httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

const inputs = z.record(z.string().min(1), z.string());

const fields = z.strictObject({
  repository: githubRepository(),
  workflow: text('File name of the workflow, without its folder.').meta({
    examples: ['deploy-production.yml'],
  }),
  ref: text(
    'Branch or tag that the workflow runs on; the version that is deployed when left out.',
  ).optional(),
  inputs: inputs.optional().describe('Inputs of the workflow.'),
  correlationInput: text(
    'Name of an input that the workflow declares and shows in its run-name: it is given a text by which a run is found again when the answer to its dispatch was lost.',
  )
    .meta({ examples: ['rollout'] })
    .optional(),
  rollback: z
    .strictObject({
      ref: text('What the way back runs on; the version that was live when left out.').optional(),
      inputs: inputs.optional().describe('Inputs that differ on the way back.'),
    })
    .optional()
    .describe('The dispatch that takes a deploy back.'),
  live: z
    .strictObject({
      url: httpUrl('Where the application says, in JSON, which version it is.').meta({
        examples: ['https://api.example.com/admin/version'],
      }),
      bearer: text('Sent as Authorization: Bearer …')
        .meta({ examples: ['${env:ADMIN_TOKEN}'] })
        .optional(),
      path: text('Where in the answer; version when left out.').optional(),
    })
    .optional()
    .describe('Asked which version is live. Without it that is the ref of the last dispatch that succeeded.'),
  token: text('A token that may read and write Actions of the repository, as a reference.').meta({
    examples: ['${env:GITHUB_TOKEN}'],
  }),
  baseUrl: httpUrl('Of the API of GitHub Enterprise; https://api.github.com without it.')
    .meta({ examples: ['https://github.example.com/api/v3', 'https://api.example.ghe.com'] })
    .optional(),
  url: httpUrl('Where live traffic comes in.').meta({ examples: ['https://api.example.com'] }),
});

export const schema = fields
  .refine(
    ({ ref, inputs: given, live }) => live !== undefined || (ref === undefined && given === undefined),
    {
      when: ({ issues }) => issues.length === 0,
      path: ['live'],
      error: 'expected live beside ref or inputs',
      params: {
        code: 'missingKey',
        expected: 'live, beside ref or inputs',
        fix: 'A run shows neither its inputs nor a version other than its ref, so that two environments of one workflow look alike: say under live where the application tells its version.',
      },
    },
  )
  .refine(({ ref, rollback }) => ref === undefined || isOfVersion(ref) || rollback !== undefined, {
    when: ({ issues }) => issues.length === 0,
    path: ['rollback'],
    error: 'expected rollback beside a fixed ref',
    params: {
      code: 'missingKey',
      expected: 'rollback, beside a ref that is not the version',
      fix: 'Say under rollback which ref and inputs bring the old version back; or leave ref out, and the workflow runs on the tag of the version.',
    },
  })
  .describe('A workflow of GitHub Actions that deploys. Opaque.');

function isOfVersion(ref: string): boolean {
  return ref.includes('${rollout:version}');
}

export const traits = {
  strategies: ['blueGreen', 'rolling', 'immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
