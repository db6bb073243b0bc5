/** The plan file as a whole. Field names are the public interface: additions are free, a change breaks plans. */
import { z } from 'zod';
import { schema as githubIssue } from '../adapters/notifiers/githubIssue/schema.js';
import { schema as pagerDuty } from '../adapters/notifiers/pagerDuty/schema.js';
import { schema as slack } from '../adapters/notifiers/slack/schema.js';
import { schema as webhook } from '../adapters/notifiers/webhook/schema.js';
import { PROBE_KINDS } from './probe-schema.js';
import { changeWindow, duration, name, planPath, text } from './scalars.js';
import { asChoice, expectations } from './schema-parts.js';
import { stepSchema } from './step-schema.js';

export const NOTIFIER_KINDS = {
  slack: slack.optional(),
  pagerDuty: pagerDuty.optional(),
  webhook: webhook.optional(),
  githubIssue: githubIssue.optional(),
};

const notifierSchema = asChoice(
  'notifier',
  z.strictObject({
    ...NOTIFIER_KINDS,
    when: z
      .array(z.enum(['started', 'approval', 'waiting', 'rollback', 'rollbackIncomplete', 'outcome']))
      .min(1)
      .describe('The moments that are told.'),
  }),
  Object.keys(NOTIFIER_KINDS),
);

export const probeSchema = asChoice(
  'probe',
  z.strictObject({
    ...PROBE_KINDS,
    expect: expectations('What has to hold. A gate never passes for want of evidence.'),
    timeout: duration('How long one measurement may take.').default('10s'),
  }),
  Object.keys(PROBE_KINDS),
);

const variables = (description: string) =>
  z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]*$/), z.union([z.string(), z.number(), z.boolean()]))
    .describe(description);

const stageSchema = z
  .strictObject({
    name: name('Name of the environment.', 'production'),
    vars: variables("Variables of this stage; they hide the plan's of the same name.").optional(),
    window: changeWindow('A step that changes something waits until it is open.').optional(),
    connectionBudget: z
      .strictObject({
        poolLimitKey: text("The key, set by a step of the stage, that is the application's pool limit.").meta(
          {
            examples: ['DB_CONNECTION_LIMIT'],
          },
        ),
        otherConnections: z.int().min(0).describe('Connections that other clients of the database may hold.'),
      })
      .optional()
      .describe('Pools of all releases alive at once, others and reserved have to fit into max_connections.'),
    steps: z.array(stepSchema).min(1).describe('Carried out one after the other.'),
  })
  .meta({ title: 'stage' });

const sourceSchema = z
  .strictObject({
    git: text('The repository. Client and workers log in to it by themselves.').meta({
      examples: ['https://github.com/acme/shop.git', 'git@github.com:acme/shop.git'],
    }),
    ref: text('Branch, tag or commit; what it leads to at the start holds for the whole rollout.').meta({
      examples: ['main', 'v1.0.1'],
    }),
    directory: planPath(
      'Folder in the repository that the files of the plan are relative to.',
      'rollout',
    ).default('.'),
  })
  .meta({ title: 'source' })
  .describe('Where the files that the plan names come from, instead of the folder of the plan.');

export const planSchema = z
  .strictObject({
    apiVersion: z.literal('headgate/v1').describe('Version of this file format.'),
    application: name('What is rolled out. One rollout of it runs at a time.', 'shop'),
    version: name('The version that is rolled out.', 'v1.0.1'),
    deadline: duration('When it has passed, the rollout is taken back.').default('12h'),
    source: sourceSchema.optional(),
    vars: variables('Variables for ${var:name}; --var name=value overrides them.').optional(),
    notify: z.array(notifierSchema).optional().describe('Who is told. Best effort: never fails a rollout.'),
    probes: z
      .record(z.string().regex(/^[A-Za-z0-9._-]{1,100}$/), probeSchema)
      .optional()
      .describe('Ways of measuring with what is expected, named once, used by steps.'),
    stages: z.array(stageSchema).min(1).describe('Environments, in order.'),
  })
  .meta({ title: 'plan' });

export type PlanDocument = z.output<typeof planSchema>;
export type ProbeDocument = z.output<typeof probeSchema>;
