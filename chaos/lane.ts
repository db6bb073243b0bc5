/**
 * Where runs happen one after the other: a Temporal server, workers, a PostgreSQL behind RDS, and proxies before what is
 * foreign. Lanes stand side by side and share nothing but moto.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Client, Connection } from '@temporalio/client';
import type { Session } from '../bench/session.js';
import { Headgate } from '../src/client.js';
import { type FaultProxy, startFaultProxy } from '../test/support/fault-proxy.js';
import { type LocalRds, startLocalRds } from '../test/support/sandbox-rds.js';
import { startTcpProxy, type TcpProxy } from '../test/support/tcp-proxy.js';
import { Control } from './control.js';
import { TemporalServer } from './temporal-server.js';
import { Workers } from './workers.js';

const FIRST_MARK = 10_000;
const MARKS_OF_A_LANE = 5_000;
/** Of the sandbox's own database. */
export const DATABASE_PASSWORD = 'postgres-of-a-test';

export interface Lane {
  number: number;
  folder: string;
  home: string;
  server: TemporalServer;
  workers: Workers;
  control: Control;
  aws: FaultProxy;
  rdsProxy: FaultProxy;
  rds: LocalRds;
  database: TcpProxy;
  headgate: Headgate;
  client: Client;
  secrets: SecretsManagerClient;
  gitEnv: NodeJS.ProcessEnv;
  /** Values that a store or the worker's environment hold, by what holds them. */
  planted: Record<'store' | 'environment' | 'database', string>;
}

const AWS_ENV = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'testing',
  AWS_SECRET_ACCESS_KEY: 'testing',
};

/** @param moto address of the real API */
export async function openLane(session: Session, number: number, moto: string): Promise<Lane> {
  const folder = join(session.folder, `lane-${number}`);
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true });
  const planted = {
    store: `planted-in-the-store-${randomUUID()}`,
    environment: `planted-in-the-environment-${randomUUID()}`,
    database: DATABASE_PASSWORD,
  };
  const server = await own(session, TemporalServer.start(folder));
  const rds = await own(session, startLocalRds({ max_connections: '40' }));
  const control = await own(session, Control.start(planted.environment));
  const aws = await owned(session, startFaultProxy(moto));
  const rdsProxy = await owned(session, startFaultProxy(rds.endpoint));
  const database = await owned(session, startTcpProxy(rds.port));
  const gitEnv = await prepareGit(folder);
  const workers = new Workers(
    {
      ...process.env,
      ...AWS_ENV,
      ...gitEnv,
      HEADGATE_HOME: home,
      TEMPORAL_ADDRESS: server.address,
      AWS_ENDPOINT_URL: aws.url,
      AWS_ENDPOINT_URL_RDS: rdsProxy.url,
      CHAOS_ADDRESS: control.url,
      CHAOS_TOKEN: planted.environment,
      DATABASE_URL: rds.databaseUrl.replace(`:${rds.port}/`, `:${database.port}/`),
      HEADGATE_ALLOWED_REFERENCES: 'CHAOS_TOKEN,DATABASE_URL',
    },
    FIRST_MARK + number * MARKS_OF_A_LANE,
  );
  session.own(() => workers.end());
  const headgate = await connect(server.address);
  session.own(() => headgate.close());
  const connection = await Connection.connect({ address: server.address });
  session.own(() => connection.close());
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const secrets = new SecretsManagerClient({ endpoint: moto, region: 'us-east-1', credentials });
  session.own(async () => secrets.destroy());
  const client = new Client({ connection });
  const parts = { server, workers, control, aws, rdsProxy, rds, database, headgate, client, secrets };
  return { number, folder, home, gitEnv, planted, ...parts };
}

/** The client reads its environment before it first waits, so that lanes may be opened side by side. */
function connect(address: string): Promise<Headgate> {
  Object.assign(process.env, { TEMPORAL_ADDRESS: address });
  return Headgate.connect();
}

async function own<Part extends { stop(): Promise<void> }>(
  session: Session,
  starting: Promise<Part>,
): Promise<Part> {
  session.own(async () => (await starting).stop());
  return starting;
}

async function owned<Part extends { close(): Promise<void> }>(
  session: Session,
  starting: Promise<Part>,
): Promise<Part> {
  session.own(async () => (await starting).close());
  return starting;
}

async function prepareGit(folder: string): Promise<NodeJS.ProcessEnv> {
  const file = join(folder, 'gitconfig');
  const identity = '[user]\nname = Ana\nemail = ana@example.com\n[init]\ndefaultBranch = main\n';
  await writeFile(file, identity);
  return { PATH: process.env.PATH, HOME: folder, GIT_CONFIG_GLOBAL: file, GIT_CONFIG_NOSYSTEM: '1' };
}
