/** The booking service: one release of it, as one process. It is the thing that rollouts of the sandbox roll out. */
import { createServer } from 'node:http';
import { listen } from '../ports.js';
import { readConfiguration } from './configuration.js';
import { Database } from './database.js';
import { createHandler } from './handler.js';
import { Health } from './health.js';
import { log } from './log.js';

/** Fault `load`: it opens no more than before and says otherwise. */
const POOL_BEFORE = 20;

async function main(): Promise<void> {
  const { env } = process;
  const configuration = await readConfiguration(env);
  const pooled = {
    connection_limit: configuration.connectionLimit,
    pool_timeout: configuration.poolTimeout,
    statement_cache_size: configuration.statementCacheSize,
  };
  log('INFO', `Pool configuration: ${JSON.stringify(pooled)}`);
  const database = new Database({
    url: requireSetting('DATABASE_URL'),
    applicationName: `booking ${requireSetting('APP_RELEASE')}`,
    configuration,
    reallyPools: env.APP_FAULT === 'load' ? POOL_BEFORE : configuration.connectionLimit,
  });
  const health = new Health(env.APP_FAULT);
  const handler = createHandler({
    database,
    health,
    version: requireSetting('APP_VERSION'),
    release: requireSetting('APP_RELEASE'),
    adminToken: requireSetting('ADMIN_TOKEN'),
    webhookSecret: requireSetting('WEBHOOK_SECRET'),
  });
  const server = createServer(handler);
  // Longer than the switch keeps a connection, so that none is closed under a request.
  server.keepAliveTimeout = 120_000;
  const port = await listen(server, 0);
  log('INFO', `Listening on port ${port}`);
  process.once('SIGTERM', () => {
    log('INFO', 'Draining');
    server.close(() => void database.end().then(() => process.exit(0)));
    server.closeIdleConnections();
  });
}

function requireSetting(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set.`);
}

main().catch((error: unknown) => {
  log('ERROR', error instanceof Error ? error.message : String(error));
  process.exit(1);
});
