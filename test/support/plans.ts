/** Resolved plans for tests of the workflow: the story's shape, without a file. */
import type {
  ApprovalStep,
  CheckStep,
  ConfigStep,
  DeployStep,
  GitStep,
  InfraStep,
  LoadTestStep,
  MonitorStep,
  ProbeSpec,
  RebootStep,
  ResolvedPlan,
  ResolvedStage,
  RunStep,
  SecretStep,
} from '../../src/plan/resolved.js';

export function probe(name: string, kind = 'http'): ProbeSpec {
  return { name, kind, config: {}, expect: [{ path: 'status', equals: 200 }], timeoutMs: 1_000 };
}

export function secretStep(stage: string): SecretStep {
  return {
    kind: 'secret',
    id: 'settings',
    stage,
    name: `${stage}/settings`,
    onRollback: 'revert',
    config: {
      awsSecretsManager: { id: `app/${stage}`, region: 'us-east-1' },
      set: { DB_CONNECTION_LIMIT: '50' },
    },
  };
}

function named<Kind extends string>(kind: Kind, stage: string) {
  return { kind, id: kind, stage, name: `${stage}/${kind}`, onRollback: 'revert' as const };
}

export function configStep(stage: string): ConfigStep {
  return {
    ...named('config', stage),
    config: { place: { kind: 'local', file: `/${stage}/.env` }, set: { POOL: '50' } },
  };
}

export function infraStep(stage: string): InfraStep {
  return {
    ...named('infra', stage),
    config: {
      tool: 'terraform',
      directory: `${stage}/terraform`,
      backendConfig: {},
      varFiles: [],
      vars: { max: 100 },
      targets: [],
      allow: [],
      undo: { varFiles: [], vars: { max: 80 } },
      abortGraceMs: 5_000,
    },
  };
}

export function rebootStep(stage: string): RebootStep {
  return {
    ...named('reboot', stage),
    onRollback: 'keep',
    config: {
      rdsInstance: `${stage}-db`,
      maxOutageMs: 60_000,
      verify: [probe('maxConnections', 'rdsParameter')],
      probeTimeoutMs: 10_000,
      probeIntervalMs: 1_000,
    },
  };
}

export function gitStep(stage: string): GitStep {
  return {
    ...named('git', stage),
    onRollback: 'keep',
    config: { directory: '.', remote: 'origin', paths: [], tag: 'v1.0.1', messageFile: 'release.md' },
  };
}

export function checkStep(stage: string): CheckStep {
  return {
    ...named('check', stage),
    config: { probes: [probe('held')], timeoutMs: 1_000, intervalMs: 100 },
  };
}

export function runStep(stage: string, verify?: string[]): RunStep {
  return {
    ...named('run', stage),
    config: { command: ['./migrate'], undo: ['./migrate', 'down'], verify, timeoutMs: 10_000 },
  };
}

export function deployStep(
  stage: string,
  strategy: DeployStep['config']['strategy'] = 'blueGreen',
): DeployStep {
  return {
    kind: 'deploy',
    id: 'deploy',
    stage,
    name: `${stage}/deploy`,
    onRollback: 'revert',
    config: {
      target: 'command',
      targetConfig: {
        status: ['status'],
        promote: ['promote', stage],
        prepare: ['prepare'],
        restore: ['restore'],
      },
      strategy,
      startsFrom: [`${stage}/settings`],
      beforePromotion: strategy === 'blueGreen' ? [probe('preview')] : [],
      afterPromotion: [probe('healthy'), probe('poolLimit', 'poolMetrics')],
      probeTimeoutMs: 10_000,
      probeIntervalMs: 1_000,
    },
  };
}

export function loadTestStep(stage: string): LoadTestStep {
  return {
    kind: 'loadTest',
    id: 'loadTest',
    stage,
    name: `${stage}/loadTest`,
    onRollback: 'revert',
    config: {
      script: 'peak.js',
      env: {},
      outputs: ['json'],
      timeoutMs: 60_000,
      during: [],
      expect: [{ metric: 'http_req_failed', path: 'rate', lt: 0.01 }],
    },
  };
}

export function approvalStep(stage: string, covers: string[], approvals = 1): ApprovalStep {
  return {
    kind: 'approval',
    id: 'approval',
    stage,
    name: `${stage}/approval`,
    onRollback: 'revert',
    config: { timeoutMs: 24 * 3_600_000, approvals, notInitiator: false, covers },
  };
}

export function monitorStep(stage: string, forMs = 2_000): MonitorStep {
  return {
    kind: 'monitor',
    id: 'monitor',
    stage,
    name: `${stage}/monitor`,
    onRollback: 'revert',
    config: {
      forMs,
      minimumCoverage: 0.95,
      onInconclusive: 'ask',
      probes: [
        {
          ...probe('watched'),
          limits: {
            intervalMs: 100,
            initialDelayMs: 0,
            consecutiveFailureLimit: 2,
            consecutiveErrorLimit: 4,
          },
        },
      ],
    },
  };
}

/** The document's shape: every kind of step. */
export function wholePlan(application: string): ResolvedPlan {
  const production = [
    infraStep('production'),
    rebootStep('production'),
    secretStep('production'),
    gitStep('production'),
    runStep('production', ['./migrated']),
    deployStep('production'),
    monitorStep('production'),
    checkStep('production'),
  ];
  const covers = production.map(({ name }) => name);
  return planOf(application, [
    {
      name: 'staging',
      steps: [
        configStep('staging'),
        secretStep('staging'),
        deployStep('staging', 'immediate'),
        loadTestStep('staging'),
      ],
    },
    { name: 'production', steps: [approvalStep('production', covers), ...production] },
  ]);
}

/** Staging with its load test, approval, production with its monitor. */
export function storyPlan(application: string, changes: Partial<ResolvedPlan> = {}): ResolvedPlan {
  const production = [secretStep('production'), deployStep('production'), monitorStep('production')];
  return planOf(
    application,
    [
      {
        name: 'staging',
        steps: [secretStep('staging'), deployStep('staging', 'immediate'), loadTestStep('staging')],
      },
      {
        name: 'production',
        steps: [
          approvalStep(
            'production',
            production.map(({ name }) => name),
          ),
          ...production,
        ],
      },
    ],
    changes,
  );
}

export function planOf(
  application: string,
  stages: ResolvedStage[],
  changes: Partial<ResolvedPlan> = {},
): ResolvedPlan {
  return {
    application,
    version: 'v1.0.1',
    deadlineMs: 12 * 3_600_000,
    overrides: {},
    notify: [],
    stages,
    files: [],
    directory: '/nowhere',
    digest: 'd'.repeat(64),
    ...changes,
  };
}
