/** The settings file of staging's application, as an engineer would find it: with comments, among other keys. */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writePrivate } from '../state.js';

const TEXT = `# Staging. Copied from .env.example
NODE_ENV=staging
PORT=4000

# Database connection pool
DB_CONNECTION_LIMIT=20   # see the load test report
DB_POOL_TIMEOUT="20"
DB_STATEMENT_CACHE_SIZE=100

LOG_LEVEL='info'
`;

export async function writeEnvFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writePrivate(path, TEXT);
}
