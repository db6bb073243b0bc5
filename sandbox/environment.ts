/** Where the sandbox's parts answer, and what a worker, a client and the application are told of them. */
import type { StageName } from './parts/context.js';
import { databaseUrl } from './parts/postgres.js';
import { checkoutOf } from './parts/repository.js';
import { type AwsAccess, SECRET_ID } from './parts/secrets.js';
import type { SandboxPlaces } from './place.js';
import { LOOPBACK, type SandboxPorts } from './ports.js';

/** New at every start. */
export interface SandboxKeys {
  passwords: Record<StageName, string>;
  adminToken: string;
  webhookSecret: string;
  aws: AwsAccess;
}

export interface SandboxFacts {
  home: string;
  portBase: number;
  ports: SandboxPorts;
  places: SandboxPlaces;
  keys: SandboxKeys;
}

/** By what answers there. */
export function addressesOf(ports: SandboxPorts): Record<string, string> {
  const at = (port: number) => `http://${LOOPBACK}:${port}`;
  return {
    temporal: `${LOOPBACK}:${ports.temporal}`,
    temporalUi: at(ports.temporalUi),
    aws: at(ports.aws),
    rds: at(ports.rds),
    postgresStaging: `${LOOPBACK}:${ports.postgresStaging}`,
    postgresProduction: `${LOOPBACK}:${ports.postgresProduction}`,
    staging: at(ports.staging),
    production: at(ports.production),
    sink: at(ports.sink),
    control: at(ports.control),
    metrics: at(ports.metrics),
  };
}

/** What a worker and a client need; `sandbox.env` holds it. */
export function environmentOf({ home, portBase, ports, places, keys }: SandboxFacts): Record<string, string> {
  const references = {
    STAGING_DATABASE_URL: databaseUrl({ port: ports.postgresStaging, password: keys.passwords.staging }),
    PROD_DATABASE_URL: databaseUrl({ port: ports.postgresProduction, password: keys.passwords.production }),
    ADMIN_TOKEN: keys.adminToken,
    WEBHOOK_SECRET: keys.webhookSecret,
    SINK_URL: `http://${LOOPBACK}:${ports.sink}/notices`,
    SANDBOX_LOGS: places.logs,
    SANDBOX_STATE: places.terraform,
    STAGING_ENV_FILE: places.stagingEnv,
    CHECKOUT: checkoutOf(places.repository),
    PROMETHEUS_URL: `http://${LOOPBACK}:${ports.metrics}`,
  };
  return {
    TEMPORAL_ADDRESS: `${LOOPBACK}:${ports.temporal}`,
    ...awsEnvironment(keys.aws),
    AWS_ENDPOINT_URL_RDS: `http://${LOOPBACK}:${ports.rds}`,
    ...references,
    HEADGATE_ALLOWED_REFERENCES: Object.keys(references).join(','),
    HEADGATE_HOME: home,
    HEADGATE_PORT_BASE: String(portBase),
    HEADGATE_TEMPORAL_UI: `http://${LOOPBACK}:${ports.temporalUi}`,
  };
}

export function applicationEnvironment(
  stage: StageName,
  { ports, places, keys }: Pick<SandboxFacts, 'ports' | 'places' | 'keys'>,
): Record<string, string> {
  const port = stage === 'staging' ? ports.postgresStaging : ports.postgresProduction;
  return {
    ...awsEnvironment(keys.aws),
    DATABASE_URL: databaseUrl({ port, password: keys.passwords[stage] }),
    ADMIN_TOKEN: keys.adminToken,
    WEBHOOK_SECRET: keys.webhookSecret,
    // Staging reads a file, production its secret.
    ...(stage === 'staging' ? { ENV_FILE: places.stagingEnv } : { SECRET_ID: SECRET_ID }),
  };
}

function awsEnvironment({
  endpoint,
  region,
  accessKeyId,
  secretAccessKey,
}: AwsAccess): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
}
