/**
 * What this version carries out. The plan file knows more: a kind that is `false` here is linted like any other,
 * and refused by name at the start. The registries are held against this table by a test.
 */
import type { AvailableStepKind, DeployStrategy, StepKind } from './resolved.js';

export const AVAILABLE = {
  step: {
    config: false,
    secret: true,
    infra: false,
    reboot: false,
    git: false,
    deploy: true,
    check: true,
    loadTest: true,
    approval: true,
    monitor: true,
    run: false,
  },
  target: { command: true, kubernetes: false, githubActions: false, dockerStack: false, ssh: false },
  strategy: { blueGreen: true, rolling: false, immediate: true },
  probe: {
    http: true,
    poolMetrics: true,
    postgres: true,
    logs: true,
    cloudwatch: false,
    cloudwatchAlarms: false,
    prometheus: false,
    rdsParameter: false,
    secretVersion: true,
    version: true,
    loadTest: true,
    command: false,
  },
  notifier: { slack: false, pagerDuty: false, webhook: true, githubIssue: false },
} as const satisfies {
  step: Record<AvailableStepKind, true> & Record<Exclude<StepKind, AvailableStepKind>, false>;
  target: Record<string, boolean>;
  strategy: Record<DeployStrategy, boolean>;
  probe: Record<string, boolean>;
  notifier: Record<string, boolean>;
};

/** `step`, `target`, `strategy`, `probe`, `notifier`. */
export type Sort = keyof typeof AVAILABLE;

/** `false` for a kind that this version does not carry out, and for one that nobody has heard of. */
export function isAvailable(sort: Sort, kind: string): boolean {
  return Object.entries(AVAILABLE[sort]).some(([known, available]) => known === kind && available);
}
