/** The application's configuration: a `.env` file when one is named, overlaid by its secret when one is named. */
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

export interface PoolConfiguration {
  connectionLimit: number;
  poolTimeout: number;
  statementCacheSize: number;
  queryTimeoutMs: number;
  slowQueryThresholdMs: number;
}

const KEYS = [
  'DB_CONNECTION_LIMIT',
  'DB_POOL_TIMEOUT',
  'DB_STATEMENT_CACHE_SIZE',
  'DB_QUERY_TIMEOUT',
  'DB_SLOW_QUERY_THRESHOLD',
] as const;
type Key = (typeof KEYS)[number];

const DEFAULTS: Record<Key, string> = {
  DB_CONNECTION_LIMIT: '20',
  DB_POOL_TIMEOUT: '20',
  DB_STATEMENT_CACHE_SIZE: '100',
  DB_QUERY_TIMEOUT: '15000',
  DB_SLOW_QUERY_THRESHOLD: '1000',
};

/** Read once, at the start: a changed secret is in force after a restart only. */
export async function readConfiguration(env: NodeJS.ProcessEnv): Promise<PoolConfiguration> {
  const file = env.ENV_FILE ? parseEnv(await readFile(env.ENV_FILE, 'utf8')) : {};
  const secret = env.SECRET_ID ? await readSecret(env.SECRET_ID) : {};
  const value = (key: Key) => toNumber(key, secret[key] ?? file[key] ?? DEFAULTS[key]);
  return {
    connectionLimit: value('DB_CONNECTION_LIMIT'),
    poolTimeout: value('DB_POOL_TIMEOUT'),
    statementCacheSize: value('DB_STATEMENT_CACHE_SIZE'),
    queryTimeoutMs: value('DB_QUERY_TIMEOUT'),
    slowQueryThresholdMs: value('DB_SLOW_QUERY_THRESHOLD'),
  };
}

/** Nothing but the pool's keys is kept in memory. */
async function readSecret(id: string): Promise<Partial<Record<Key, unknown>>> {
  const client = new SecretsManagerClient({});
  try {
    const command = new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' });
    const { SecretString = '{}' } = await client.send(command);
    const all: Record<string, unknown> = JSON.parse(SecretString);
    return Object.fromEntries(KEYS.flatMap((key) => (key in all ? [[key, all[key]]] : [])));
  } finally {
    client.destroy();
  }
}

function toNumber(key: Key, value: unknown): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`${key} has to be a whole number above 0.`);
}
