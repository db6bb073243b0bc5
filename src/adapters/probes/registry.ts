/** Every kind of probe that this version has: one folder, one line. */
import type { ZodError, ZodType } from 'zod';
import type { Subject } from '../../contract/activities.js';
import type { Expectation, Json } from '../../plan/resolved.js';
import { type CloudWatchProbeDeps, createCloudWatchProbe } from './cloudwatch/index.js';
import { schema as cloudwatchSchema } from './cloudwatch/schema.js';
import { type CloudWatchAlarmsProbeDeps, createCloudWatchAlarmsProbe } from './cloudwatchAlarms/index.js';
import { schema as cloudwatchAlarmsSchema } from './cloudwatchAlarms/schema.js';
import { createCommandProbe } from './command/index.js';
import { schema as commandSchema } from './command/schema.js';
import { createHttpProbe, type HttpProbeDeps } from './http/index.js';
import { schema as httpSchema } from './http/schema.js';
import { createKubernetesProbe, type KubernetesProbeDeps } from './kubernetes/index.js';
import { schema as kubernetesSchema } from './kubernetes/schema.js';
import { createLoadTestProbe, type LoadTestProbeDeps } from './loadTest/index.js';
import { schema as loadTestSchema } from './loadTest/schema.js';
import { createLogsProbe, type LogsProbeDeps } from './logs/index.js';
import { schema as logsSchema } from './logs/schema.js';
import { createPoolMetricsProbe } from './poolMetrics/index.js';
import { schema as poolMetricsSchema } from './poolMetrics/schema.js';
import { createPostgresProbe } from './postgres/index.js';
import { schema as postgresSchema } from './postgres/schema.js';
import type { Followed, Probe, Sample } from './probe.js';
import { createPrometheusProbe } from './prometheus/index.js';
import { schema as prometheusSchema } from './prometheus/schema.js';
import { createRdsParameterProbe, type RdsParameterProbeDeps } from './rdsParameter/index.js';
import { schema as rdsParameterSchema } from './rdsParameter/schema.js';
import { createSecretVersionProbe, type SecretVersionProbeDeps } from './secretVersion/index.js';
import { schema as secretVersionSchema } from './secretVersion/schema.js';
import { createVersionProbe } from './version/index.js';
import { schema as versionSchema } from './version/schema.js';

export type ProbeDeps = HttpProbeDeps &
  LogsProbeDeps &
  KubernetesProbeDeps &
  LoadTestProbeDeps &
  SecretVersionProbeDeps &
  RdsParameterProbeDeps &
  CloudWatchProbeDeps &
  CloudWatchAlarmsProbeDeps;

export interface CheckedRequest {
  /** References resolved. */
  config: { [key: string]: Json };
  subject: Subject;
  expect: Expectation[];
  timeoutMs: number;
  signal: AbortSignal;
}

/** A probe whose configuration is checked before it is used. */
export interface CheckedProbe {
  kind: string;
  /** A configuration that the schema does not accept writes nothing: it is never sent. */
  writes(config: { [key: string]: Json }): boolean;
  inForcePaths(config: { [key: string]: Json }, expect: Expectation[]): string[];
  /** As `Probe.sample`; a configuration that the schema does not accept is an `error`. */
  sample(request: CheckedRequest): Promise<Sample>;
  /** A configuration that the schema does not accept is not followed. */
  isFollowed(config: { [key: string]: Json }): boolean;
  /** As `Following.follow`; only of what `isFollowed`. */
  follow(request: Omit<CheckedRequest, 'timeoutMs'> & { cursor?: Json }): AsyncIterable<Followed>;
}

export type Probes = ReadonlyMap<string, CheckedProbe>;

export function createProbes(deps: ProbeDeps): Probes {
  const probes: CheckedProbe[] = [
    checked(cloudwatchSchema, createCloudWatchProbe(deps)),
    checked(cloudwatchAlarmsSchema, createCloudWatchAlarmsProbe(deps)),
    checked(commandSchema, createCommandProbe(deps)),
    checked(httpSchema, createHttpProbe(deps)),
    checked(kubernetesSchema, createKubernetesProbe(deps)),
    checked(loadTestSchema, createLoadTestProbe(deps)),
    checked(logsSchema, createLogsProbe(deps)),
    checked(poolMetricsSchema, createPoolMetricsProbe()),
    checked(postgresSchema, createPostgresProbe()),
    checked(prometheusSchema, createPrometheusProbe()),
    checked(rdsParameterSchema, createRdsParameterProbe(deps)),
    checked(secretVersionSchema, createSecretVersionProbe(deps)),
    checked(versionSchema, createVersionProbe()),
  ];
  return new Map(probes.map((probe) => [probe.kind, probe]));
}

/** Puts the schema of its folder in front of a probe. */
export function checked<Config>(schema: ZodType<Config>, probe: Probe<Config>): CheckedProbe {
  return {
    kind: probe.kind,
    writes(config) {
      const parsed = schema.safeParse(config);
      return parsed.success && probe.writes(parsed.data);
    },
    inForcePaths(config, expect) {
      const parsed = schema.safeParse(config);
      return parsed.success ? probe.inForcePaths(parsed.data, expect) : [];
    },
    async sample({ config, ...request }) {
      const parsed = schema.safeParse(config);
      return parsed.success
        ? probe.sample({ ...request, config: parsed.data })
        : describeFaults(probe.kind, parsed.error);
    },
    isFollowed(config) {
      const parsed = schema.safeParse(config);
      return (parsed.success && probe.following?.wanted(parsed.data)) ?? false;
    },
    async *follow({ config, ...request }) {
      const parsed = schema.safeParse(config);
      if (!parsed.success) yield { sample: describeFaults(probe.kind, parsed.error) };
      else if (probe.following) yield* probe.following.follow({ ...request, config: parsed.data });
    },
  };
}

function describeFaults(kind: string, { issues }: ZodError): Sample {
  const faults = issues.map(({ path, message }) => `${path.join('.') || kind}: ${message}`);
  return { kind: 'error', message: `${kind} is not configured right: ${faults.join('; ')}` };
}
