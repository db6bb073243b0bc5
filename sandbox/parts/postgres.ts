/** One PostgreSQL with the database `bookings`: new at every start of the sandbox, gone when it has stopped. */
import { appendFile, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { runChild } from '../../src/platform/children.js';
import { type ProcessOptions, type RunningProcess, startProcess } from '../part.js';
import { LOOPBACK } from '../ports.js';
import type { PartContext, StageName } from './context.js';
import type { PostgresBinaries, PostgresUser } from './postgres-binaries.js';

export interface PostgresOptions {
  stage: StageName;
  port: number;
  /** A folder that `user` can reach. */
  scratch: string;
  binaries: PostgresBinaries;
  user: PostgresUser | undefined;
  /** Of the application's role. */
  password: string;
  /** What its parameter group sets at first. */
  parameters: Record<string, string>;
}

export interface RunningPostgres extends RunningProcess {
  /** As its superuser, for whom it keeps connections free; each on one of its own. */
  query: (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;
  /** Stops as RDS does for a reboot, whoever is connected, and starts again. Rejects when it does not come back. */
  restart: () => Promise<void>;
}

const ADMIN = 'headgate';
const APPLICATION = 'booking';

/** In the file, not on the command line: there `ALTER SYSTEM` could not change it later. */
const SETTINGS = [
  `listen_addresses = '${LOOPBACK}'`,
  "unix_socket_directories = ''",
  // The data lives as long as the sandbox; a crash of the machine may take it.
  'fsync = off',
];

const TABLES = `
  create table bookings (
    id bigint generated always as identity primary key,
    reference text not null unique,
    booking_code text not null,
    status text not null,
    created_at timestamptz not null default now()
  );
  alter table bookings owner to ${APPLICATION};
`;

export function databaseUrl({ port, password }: Pick<PostgresOptions, 'port' | 'password'>): string {
  return `postgres://${APPLICATION}:${password}@${LOOPBACK}:${port}/bookings`;
}

export async function startPostgres(
  context: PartContext,
  options: PostgresOptions,
): Promise<RunningPostgres> {
  const data = join(options.scratch, `postgres-${options.stage}`);
  await initialise(data, options);
  await appendFile(join(data, 'postgresql.conf'), settingsOf(options));
  const start = () => startProcess(processOf(context, options, data));
  let running = await start();
  await createDatabase(options);
  let turn: Promise<void> = Promise.resolve();
  return {
    get pid() {
      return running.pid;
    },
    log: running.log,
    readyMs: running.readyMs,
    query: (text, values) =>
      withAdmin(options, 'postgres', async (client) => {
        const { rows } = await client.query<Record<string, unknown>>(text, values);
        return rows;
      }),
    restart() {
      const again = async () => {
        await running.stop();
        running = await start();
      };
      turn = turn.then(again, again);
      return turn;
    },
    async stop() {
      await turn.catch(() => {});
      await running.stop();
    },
  };
}

function processOf(context: PartContext, options: PostgresOptions, data: string): ProcessOptions {
  const { stage, scratch, binaries, user } = options;
  return {
    name: `postgres ${stage}`,
    file: binaries.postgres,
    args: ['-D', data],
    cwd: scratch,
    env: context.env,
    user,
    log: join(context.places.logs, `postgres-${stage}.log`),
    // "Fast": open connections are ended, not waited for.
    stopSignal: 'SIGINT',
    graceMs: 10_000,
    readyTimeoutMs: 60_000,
    ready: () => withAdmin(options, 'postgres', (client) => client.query('select 1').then(() => {})),
    onDeath: context.onDeath,
  };
}

function settingsOf({ port, parameters }: PostgresOptions): string {
  const chosen = Object.entries(parameters).map(([name, value]) => `${name} = '${value}'`);
  return [...SETTINGS, ...chosen, `port = ${port}`, ''].join('\n');
}

async function initialise(
  data: string,
  { binaries, user, password, scratch }: PostgresOptions,
): Promise<void> {
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { recursive: true, mode: 0o700 });
  const passwordFile = `${data}.password`;
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user) for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid);
  const made = await runChild({
    file: binaries.initdb,
    args: [
      ...['--pgdata', data, '--username', ADMIN, '--pwfile', passwordFile, '--auth', 'password'],
      ...['--encoding', 'UTF8', '--no-locale', '--no-sync', '--no-instructions'],
    ],
    cwd: scratch,
    user,
  });
  await rm(passwordFile);
  if (made.exitCode !== 0)
    throw new Error(`initdb could not make ${data}: ${made.stderr.trim().slice(-500)}`);
}

async function createDatabase(options: PostgresOptions): Promise<void> {
  const password = pg.escapeLiteral(options.password);
  await withAdmin(options, 'postgres', async (client) => {
    await client.query(`create role ${APPLICATION} login password ${password} in role pg_monitor`);
    await client.query(`create database bookings owner ${APPLICATION}`);
  });
  await withAdmin(options, 'bookings', (client) => client.query(TABLES).then(() => {}));
}

async function withAdmin<T>(
  { port, password }: PostgresOptions,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: LOOPBACK,
    port,
    user: ADMIN,
    password,
    database,
    connectionTimeoutMillis: 2_000,
  });
  // Its end during a stop is no news.
  client.on('error', () => {});
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}
