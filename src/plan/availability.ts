/**
 * What this version carries out. The plan file knows more: a kind that is `false` here is linted like any other,
 * and refused by name at the start. The registries are held against this table by a test.
 */
import type { DeployStrategy } from './resolved.js';

export const AVAILABLE = {
  target: { command: true, kubernetes: false, githubActions: false, dockerStack: false, ssh: false },
  strategy: { blueGreen: true, rolling: false, immediate: true },
  probe: {
    http: true,
    poolMetrics: true,
    postgres: true,
    logs: true,
    cloudwatch: true,
    cloudwatchAlarms: true,
    prometheus: true,
    rdsParameter: true,
    secretVersion: true,
    version: true,
    loadTest: true,
    command: true,
  },
  notifier: { slack: true, pagerDuty: false, webhook: true, githubIssue: false },
} as const satisfies {
  target: Record<string, boolean>;
  strategy: Record<DeployStrategy, boolean>;
  probe: Record<string, boolean>;
  notifier: Record<string, boolean>;
};

/** `target`, `strategy`, `probe`, `notifier`. */
export type Sort = keyof typeof AVAILABLE;

/** `false` for a kind that this version does not carry out, and for one that nobody has heard of. */
export function isAvailable(sort: Sort, kind: string): boolean {
  return Object.entries(AVAILABLE[sort]).some(([known, available]) => known === kind && available);
}
