/**
 * How each example of docs/reference is started against local parts, and what is there afterwards. A kind whose part
 * is too large to be brought up here is covered by the suite that is named.
 */
import type { ReferenceWorld } from './reference-world.js';

export interface Run {
  /** `--var`, so that local addresses and files stand in for those of the example. */
  vars?: (world: ReferenceWorld) => Record<string, string>;
  /** Brings about what the example begins with. */
  prepare?: (world: ReferenceWorld) => Promise<void> | void;
  /** @throws Error when what the example is for has not come about */
  verify?: (world: ReferenceWorld) => Promise<void> | void;
  /** Somebody has to approve. */
  approved?: true;
}

const address = ({ url }: ReferenceWorld) => ({ address: url });
const instance = ({ rds }: ReferenceWorld) => ({ instance: rds.instance });
const releases = (world: ReferenceWorld) => ({ ...address(world), state: world.file('releases.json') });

/** The examples of `deploy` and of its target `command` act on the same file. */
const DEPLOYED: Run = {
  vars: releases,
  prepare: (world) => world.remove('releases.json'),
  verify: (world) => world.expectFile('releases.json', /"live":\{"id":"v2\.3\.0-1".*"candidate":null/),
};

const SETTINGS: Run = {
  vars: (world) => ({ file: world.file('.env') }),
  prepare: (world) => world.write('.env', '# of the shop\nDB_CONNECTION_LIMIT=20\nOTHER=1\n'),
  verify: (world) => world.expectFile('.env', /^# of the shop\nDB_CONNECTION_LIMIT=50\nOTHER=1\n/),
};

const LOG = '2026-01-16T12:00:00Z INFO Pool configuration: {"connection_limit":50}\n';

export const RUNS: Record<string, Run> = {
  'steps/config': SETTINGS,
  'steps/secret': {
    prepare: (world) =>
      world.aws.putSecret('shop/staging/config', '{"DB_CONNECTION_LIMIT":"20","OTHER":"1"}'),
    verify: (world) =>
      world.aws.expectSecret('shop/staging/config', '{"DB_CONNECTION_LIMIT":"50","OTHER":"1"}'),
  },
  'steps/infra': {
    vars: (world) => ({ ...address(world), state: world.file('terraform.tfstate') }),
    verify: (world) => world.expectFile('terraform.tfstate', /cache\.t3\.large/),
  },
  'steps/reboot': {
    vars: instance,
    prepare: ({ rds }) => rds.modify('max_connections', '120'),
    verify: ({ rds }) => rds.expectInForce('max_connections', '120'),
    approved: true,
  },
  'steps/git': {
    vars: (world) => ({ checkout: world.checkout }),
    prepare: (world) => world.write('checkout/.env.example', 'DB_CONNECTION_LIMIT=50\n'),
    verify: (world) => world.expectPushed('v2.3.0', '.env.example', 'DB_CONNECTION_LIMIT=50'),
  },
  'steps/deploy': DEPLOYED,
  'steps/check': { vars: address },
  'steps/loadTest': { vars: address },
  'steps/approval': { ...SETTINGS, approved: true },
  'steps/monitor': { vars: (world) => ({ ...address(world), monitorFor: '2s', monitorInterval: '250ms' }) },
  'steps/run': {
    vars: (world) => ({ schema: world.file('schema.version') }),
    verify: (world) => world.expectFile('schema.version', /^2\n$/),
  },
  'probes/http': {
    vars: address,
    verify: (world) => world.expectReceived('/webhooks', /"reference": "[0-9a-f-]{36}"/),
  },
  'probes/poolMetrics': { vars: address },
  'probes/postgres': {},
  'probes/logs': {
    vars: (world) => ({ log: world.file('app.log') }),
    // Lines from the start of the rollout on count, and those without a time of their own.
    prepare: (world) => world.write('app.log', LOG.replace(/^\S+ /, '')),
  },
  'probes/cloudwatch': { prepare: ({ aws }) => aws.putConnections(12) },
  'probes/cloudwatchAlarms': { prepare: ({ aws }) => aws.putAlarm('shop-prod-connections', 'OK') },
  'probes/prometheus': {},
  'probes/rdsParameter': {
    vars: instance,
    prepare: async ({ rds }) => {
      await rds.modify('max_connections', '100');
      await rds.reboot();
    },
  },
  'probes/secretVersion': { prepare: ({ aws }) => aws.putSecret('shop/staging/config', '{}') },
  'probes/version': { vars: address },
  'probes/loadTest': { vars: address },
  'probes/command': {},
  'targets/command': DEPLOYED,
  'targets/githubActions': {
    vars: ({ doubles: { repository, addresses } }) => ({
      repository,
      address: addresses.deployed,
      github: addresses.actions,
    }),
    verify: ({ doubles }) => doubles.expectDispatched('v2.3.0'),
  },
  'notifiers/slack': {
    vars: address,
    verify: ({ doubles }) => doubles.expectSlack(/shop v2\.3\.0: promoted/),
  },
  'notifiers/pagerDuty': {
    vars: (world) => ({ ...address(world), pagerDuty: world.doubles.addresses.pagerDuty }),
    verify: ({ doubles }) => doubles.expectPagerDuty(/shop v2\.3\.0: promoted/),
  },
  'notifiers/githubIssue': {
    vars: (world) => ({ ...address(world), github: world.doubles.addresses.issues }),
    verify: ({ doubles }) => doubles.expectIssue('closed', 'URGENT'),
    approved: true,
  },
  'notifiers/webhook': {
    vars: address,
    verify: (world) => world.expectReceived('/hook', /"moment":"outcome"/),
  },
};

/** Files below `test/`, without their ending. */
export const COVERED_ELSEWHERE: Record<string, string> = {
  'probes/kubernetes': 'kubernetes/examples',
  'targets/kubernetes': 'kubernetes/examples',
  'targets/dockerStack': 'parts/docker-stack',
  'targets/ssh': 'parts/ssh',
};
