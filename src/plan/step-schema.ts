/** Every kind of step. */
import { z } from 'zod';
import { schema as command, traits as commandTraits } from '../adapters/targets/command/schema.js';
import {
  schema as dockerStack,
  traits as dockerStackTraits,
} from '../adapters/targets/dockerStack/schema.js';
import {
  schema as githubActions,
  traits as githubActionsTraits,
} from '../adapters/targets/githubActions/schema.js';
import { schema as kubernetes, traits as kubernetesTraits } from '../adapters/targets/kubernetes/schema.js';
import { schema as ssh, traits as sshTraits } from '../adapters/targets/ssh/schema.js';
import type { TargetTraits } from '../adapters/targets/traits.js';
import { argv, duration, httpUrl, name, planPath, region, type ScalarFault, text } from './scalars.js';
import { asChoice, expectations, LIMITS, probeUses } from './schema-parts.js';

const NOTHING_TO_SET: ScalarFault = {
  code: 'empty',
  expected: 'at least one key',
  fix: 'Add the keys that this step sets, or remove the step.',
};

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const settings = z
  .record(z.string().min(1), scalar)
  .refine((set) => Object.keys(set).length > 0, { params: NOTHING_TO_SET })
  .describe('Keys and their new values; other keys are left alone. Numbers and booleans become text.');

const config = z
  .strictObject({
    ssh: z
      .strictObject({
        host: text("Host, or its name in the worker's SSH configuration."),
        user: text('Who logs in.').optional(),
        port: z.int().min(1).max(65_535).optional().describe('22 when left out.'),
        file: text('The dotenv file there.').meta({ examples: ['/app/.env'] }),
      })
      .optional()
      .describe('A file on a host that is logged in to.'),
    local: z
      .strictObject({ file: text('The dotenv file.') })
      .optional()
      .describe('A file on the worker.'),
    set: settings,
  })
  .describe('Sets keys of a dotenv file. Exactly one of ssh and local.');

const secret = z
  .strictObject({
    awsSecretsManager: z
      .strictObject({
        id: text('Name or ARN of the secret.').meta({ examples: ['shop/production/config'] }),
        region: region().optional(),
      })
      .describe('The secret. Its value is a JSON object.'),
    set: settings,
  })
  .describe('Merges keys into a JSON secret of AWS Secrets Manager.');

const varFiles = z
  .array(planPath('Relative to the folder of the configuration.', 'production.tfvars'))
  .optional()
  .describe('Files with variables, relative to the folder of the configuration.');
const infraVars = z.record(z.string().min(1), scalar).optional().describe('Variables.');

const infra = z
  .strictObject({
    terraform: planPath('Folder of the configuration.', 'infrastructure/terraform').optional(),
    tofu: planPath('As terraform, for OpenTofu.', 'infrastructure/tofu').optional(),
    backendConfig: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('Settings of the backend, such as its bucket and key, or the path of a local state.'),
    varFiles,
    vars: infraVars,
    targets: z.array(z.string().min(1)).optional().describe('Only these addresses.'),
    allow: z.array(z.string().min(1)).optional().describe('Addresses that may be destroyed or replaced.'),
    undo: z
      .strictObject({ varFiles, vars: infraVars })
      .optional()
      .describe('Variables that bring back what was there before.'),
    abortGrace: duration('How long an interrupted run may take to end.').default('5m'),
  })
  .describe('Plans and applies infrastructure. Exactly one of terraform and tofu.');

const reboot = z
  .strictObject({
    rdsInstance: text('Identifier of the RDS instance.'),
    region: region().optional(),
    maxOutage: duration('The longest outage that is tolerated.').default('5m'),
    verify: probeUses('Probes that have to pass afterwards.').default([]),
    probeTimeout: duration('How long the probes may take to pass.').default('2m'),
    probeInterval: duration('Time from one round of probes to the next.').default('1s'),
  })
  .describe('Restarts a database whose parameters wait for it. Cannot be taken back.');

const git = z
  .strictObject({
    directory: text('The working tree on the worker; relative to the folder of the plan.')
      .meta({ examples: ['.', '${env:CHECKOUT}'] })
      .default('.'),
    remote: text('Where it is pushed to.').default('origin'),
    paths: z.array(z.string().min(1)).min(1).optional().describe('What is committed.'),
    tag: text('An annotated tag.')
      .meta({ examples: ['v1.0.1'] })
      .optional(),
    messageFile: planPath('Template of the message.', 'docs/releases/v1.0.1.md'),
  })
  .describe('Commits, tags and pushes. At least one of paths and tag.');

export const TARGET_KINDS = {
  command: command.optional(),
  kubernetes: kubernetes.optional(),
  githubActions: githubActions.optional(),
  dockerStack: dockerStack.optional(),
  ssh: ssh.optional(),
};

const TARGET_TRAITS: { [Kind in keyof typeof TARGET_KINDS]: TargetTraits } = {
  command: commandTraits,
  kubernetes: kubernetesTraits,
  githubActions: githubActionsTraits,
  dockerStack: dockerStackTraits,
  ssh: sshTraits,
};

export function traitsOf(target: string): TargetTraits | undefined {
  return Object.entries(TARGET_TRAITS).find(([kind]) => kind === target)?.[1];
}

const deploy = asChoice(
  'deploy',
  z.strictObject({
    ...TARGET_KINDS,
    strategy: z.enum(['blueGreen', 'rolling', 'immediate']).describe('How the new release takes over.'),
    image: text('The image that is deployed.').optional(),
    startsFrom: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Earlier steps of the stage whose state a release reads when it starts: started again when they are undone.',
      ),
    beforePromotion: probeUses(
      'Probes of the new release before it takes live traffic. Staged targets only.',
    ).default([]),
    afterPromotion: probeUses('Probes of the live release.').default([]),
    probeTimeout: duration('How long the probes may take to pass.').default('2m'),
    probeInterval: duration('Time from one round of probes to the next.').default('1s'),
  }),
  Object.keys(TARGET_KINDS),
).describe('Releases the version on one target, judged before and after its promotion.');

const check = z
  .strictObject({
    probes: probeUses('Have to pass together.').min(1),
    timeout: duration('How long they may take to pass.').default('2m'),
    interval: duration('Time from one round to the next.').default('5s'),
  })
  .describe('Probes, until all of them pass.');

const loadTest = z
  .strictObject({
    script: planPath('The k6 script.', 'load/peak.js'),
    env: z.record(z.string().min(1), scalar).default({}).describe('Environment of the script (__ENV).'),
    outputs: z
      .array(
        z.union([
          z.literal('json'),
          z.strictObject({ influxdb: httpUrl('Address with the database.') }).meta({ title: 'output' }),
        ]),
      )
      .default([])
      .describe('Where k6 sends its series, besides the summary: json keeps a file beside the report.'),
    timeout: duration('How long it may take.').default('45m'),
    during: probeUses('Judged every second meanwhile.').default([]),
    expect: expectations('What the figures have to meet.'),
  })
  .describe('Runs k6 against the live release of the stage.');

const approval = z
  .strictObject({
    timeout: duration('When nobody answers in this time, the rollout is taken back.').default('24h'),
    approvals: z.int().min(1).max(100).default(1).describe('So many different people have to approve.'),
    identity: z
      .enum(['ssh'])
      .optional()
      .describe("Answers are signed with an SSH key and verified against the worker's allowed signers."),
    approvers: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Who may: names of the allowed signers. With identity.')
      .meta({ examples: [['ana@example.com', 'ben@example.com']] }),
    notInitiator: z
      .boolean()
      .default(false)
      .describe('Not who started it; the start is signed, too. With identity.'),
  })
  .describe('Waits for people. Covers every step down to the next approval.');

const monitor = z
  .strictObject({
    for: duration('How long.'),
    probes: probeUses('Watched all the time.').min(1),
    ...LIMITS,
    interval: duration('Time from one measurement to the next.').default('5s'),
    minimumCoverage: z
      .number()
      .gt(0)
      .max(1)
      .default(0.95)
      .describe(
        'The part of the samples due that has to be there: an hour in which nobody measured is not a good hour.',
      ),
    onInconclusive: z
      .enum(['ask', 'rollback'])
      .default('ask')
      .describe('What happens when evidence is missing.'),
    onTainted: z
      .enum(['hold', 'rollback'])
      .default('hold')
      .describe(
        'What happens when somebody else changes what is watched meanwhile: the live release, the secret, the file or the parameters.',
      ),
  })
  .describe('Watches probes for a while; the first breach of a limit turns the rollout round.');

const run = z
  .strictObject({
    command: argv('What is done.'),
    undo: argv('What takes it back.').optional(),
    verify: argv('Exits 0 when it holds.').optional(),
    timeout: duration('How long each may take.').default('10m'),
  })
  .describe('A program of yours.');

export const STEP_KINDS = {
  config: config.optional(),
  secret: secret.optional(),
  infra: infra.optional(),
  reboot: reboot.optional(),
  git: git.optional(),
  deploy: deploy.optional(),
  check: check.optional(),
  loadTest: loadTest.optional(),
  approval: approval.optional(),
  monitor: monitor.optional(),
  run: run.optional(),
};

export const stepSchema = asChoice(
  'step',
  z.strictObject({
    id: name('Its name in the stage; its kind when left out.', 'settings').optional(),
    onRollback: z
      .enum(['revert', 'keep', 'ask'])
      .optional()
      .describe(
        'What the way back does with the effect of this step: revert when left out, where there is a way back; a published tag and a reboot are kept.',
      ),
    ...STEP_KINDS,
  }),
  Object.keys(STEP_KINDS),
);

export type StepDocument = z.output<typeof stepSchema>;
