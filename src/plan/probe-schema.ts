/** Every kind of probe by name. */
import { schema as cloudwatch } from '../adapters/probes/cloudwatch/schema.js';
import { schema as cloudwatchAlarms } from '../adapters/probes/cloudwatchAlarms/schema.js';
import { schema as command } from '../adapters/probes/command/schema.js';
import { schema as http } from '../adapters/probes/http/schema.js';
import { schema as kubernetes } from '../adapters/probes/kubernetes/schema.js';
import { schema as loadTest } from '../adapters/probes/loadTest/schema.js';
import { schema as logs } from '../adapters/probes/logs/schema.js';
import { schema as poolMetrics } from '../adapters/probes/poolMetrics/schema.js';
import { schema as postgres } from '../adapters/probes/postgres/schema.js';
import { schema as prometheus } from '../adapters/probes/prometheus/schema.js';
import { schema as rdsParameter } from '../adapters/probes/rdsParameter/schema.js';
import { schema as secretVersion } from '../adapters/probes/secretVersion/schema.js';
import { schema as version } from '../adapters/probes/version/schema.js';

export const PROBE_KINDS = {
  http: http.optional(),
  poolMetrics: poolMetrics.optional(),
  postgres: postgres.optional(),
  logs: logs.optional(),
  kubernetes: kubernetes.optional(),
  cloudwatch: cloudwatch.optional(),
  cloudwatchAlarms: cloudwatchAlarms.optional(),
  prometheus: prometheus.optional(),
  rdsParameter: rdsParameter.optional(),
  secretVersion: secretVersion.optional(),
  version: version.optional(),
  loadTest: loadTest.optional(),
  command: command.optional(),
};
