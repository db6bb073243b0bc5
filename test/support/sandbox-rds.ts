/** The sandbox's RDS over a real PostgreSQL, for tests of what a rollout restarts. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PartContext } from '../../sandbox/parts/context.js';
import { databaseUrl, startPostgres } from '../../sandbox/parts/postgres.js';
import { findPostgresBinaries, findPostgresUser } from '../../sandbox/parts/postgres-binaries.js';
import { startRds } from '../../sandbox/parts/rds.js';
import { placesOf } from '../../sandbox/place.js';
import { portsFrom } from '../../sandbox/ports.js';
import { freePort } from './postgres.js';

export const INSTANCE = 'whatsapp-saas-prod';

export interface LocalRds {
  /** Of the RDS API. */
  endpoint: string;
  /** Of the database `bookings`, as its application. */
  databaseUrl: string;
  port: number;
  /** As the superuser. */
  query(text: string): Promise<Record<string, unknown>[]>;
  /** Behind RDS' back. */
  restart(): Promise<void>;
  pid(): number;
  /** Actions that were asked for so far, in order. */
  actions(): Promise<string[]>;
  /** What was said of a server that ended although nobody stopped it. */
  deaths: string[];
  stop(): Promise<void>;
}

export async function startLocalRds(parameters: Record<string, string>): Promise<LocalRds> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-rds-'));
  // The server's user has to get through the folder, which is made for root alone.
  await chmod(folder, 0o755);
  const deaths: string[] = [];
  const places = placesOf(folder);
  const context: PartContext = {
    places,
    ports: portsFrom(1),
    env: {},
    log: () => {},
    onDeath: (message) => deaths.push(message),
  };
  const user = await findPostgresUser();
  const password = 'postgres-of-a-test';
  const port = await freePort();
  const database = await startPostgres(context, {
    stage: 'production',
    port,
    scratch: folder,
    binaries: await findPostgresBinaries(folder, user),
    user,
    password,
    parameters,
  });
  const front = await startRds({
    port: 0,
    record: places.awsRequests,
    instances: [
      {
        identifier: INSTANCE,
        parameterGroup: INSTANCE,
        port,
        database,
        parameters,
        log: () => {},
      },
    ],
  });
  return {
    endpoint: front.endpoint,
    databaseUrl: databaseUrl({ port, password }),
    port,
    query: database.query,
    restart: database.restart,
    pid: () => database.pid,
    async actions() {
      const lines = (await readFile(places.awsRequests, 'utf8')).trim().split('\n');
      return lines.map((line) => String(JSON.parse(line).target));
    },
    deaths,
    async stop() {
      await front.stop();
      await database.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
