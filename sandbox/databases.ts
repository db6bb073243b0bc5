/** Both databases with all that surrounds them: RDS in front, their figures in CloudWatch, terraform that sets one. */
import type { SandboxKeys } from './environment.js';
import type { Inventory } from './inventory.js';
import type { RunningAws } from './parts/aws.js';
import { type PartContext, STAGES, type StageName } from './parts/context.js';
import { applyInfrastructure } from './parts/infrastructure.js';
import { type RunningPostgres, startPostgres } from './parts/postgres.js';
import { findPostgresBinaries, findPostgresUser } from './parts/postgres-binaries.js';
import { startRds } from './parts/rds.js';
import { startWorld } from './parts/world.js';

export type Databases = Record<StageName, RunningPostgres>;

export interface DatabaseDeps {
  context: PartContext;
  inventory: Inventory;
  keys: SandboxKeys;
  /** A folder that PostgreSQL's own user can read. */
  scratch: string;
}

/** Names of the instances and of their parameter groups. */
const INSTANCES: Record<StageName, string> = {
  staging: 'whatsapp-saas-staging',
  production: 'whatsapp-saas-prod',
};

/** In production a second release with the new pool does not fit into what is in force at first. */
const FIRST_PARAMETERS = {
  staging: { max_connections: '100', log_min_duration_statement: '1000' },
  production: { max_connections: '80', log_min_duration_statement: '1000' },
} as const satisfies Record<StageName, Record<string, string>>;

export async function startDatabases(deps: DatabaseDeps): Promise<Databases> {
  const { context, inventory, keys, scratch } = deps;
  const user = await findPostgresUser();
  const binaries = await findPostgresBinaries(scratch, user);
  const start = (stage: StageName) =>
    inventory.startProcess(`postgres-${stage}`, () =>
      startPostgres(context, {
        stage,
        port: portOf(context, stage),
        scratch,
        binaries,
        user,
        password: keys.passwords[stage],
        parameters: FIRST_PARAMETERS[stage],
      }),
    );
  const [staging, production] = await Promise.all([start('staging'), start('production')]);
  await startFront(deps, { staging, production });
  return { staging, production };
}

async function startFront({ context, inventory }: DatabaseDeps, databases: Databases): Promise<void> {
  const instances = STAGES.map((stage) => ({
    identifier: INSTANCES[stage],
    parameterGroup: INSTANCES[stage],
    port: portOf(context, stage),
    database: {
      query: databases[stage].query,
      restart: () => restart(inventory, `postgres-${stage}`, databases[stage]),
    },
    parameters: FIRST_PARAMETERS[stage],
    log: context.log,
  }));
  const record = context.places.awsRequests;
  await inventory.start('rds', () => startRds({ port: context.ports.rds, record, instances }));
}

async function restart(inventory: Inventory, name: string, database: RunningPostgres): Promise<void> {
  await inventory.update(name, { status: 'starting' });
  try {
    await database.restart();
  } catch (error) {
    await inventory.update(name, { status: 'failed' });
    throw error;
  }
  await inventory.update(name, { status: 'up', pid: database.pid });
}

export async function publishFigures(
  { context, inventory, keys }: DatabaseDeps,
  aws: RunningAws,
  databases: Databases,
): Promise<void> {
  await inventory.start('world', () =>
    startWorld({
      aws: { ...keys.aws, endpoint: aws.endpoint },
      databases: STAGES.map((stage) => ({
        identifier: INSTANCES[stage],
        database: databases[stage],
        hasAlarms: stage === 'production',
      })),
      log: context.log,
    }),
  );
}

export async function applyFirstInfrastructure(
  { context, scratch }: DatabaseDeps,
  terraform: string,
): Promise<void> {
  await applyInfrastructure({
    terraform,
    state: context.places.terraform,
    scratch,
    vars: { rds_max_connections: FIRST_PARAMETERS.production.max_connections },
  });
}

function portOf({ ports }: PartContext, stage: StageName): number {
  return stage === 'staging' ? ports.postgresStaging : ports.postgresProduction;
}
