/** Temporal's dev server for the benchmark: in memory, not throttled, under a guardian that ends it with us. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { startProcess } from '../sandbox/part.js';
import { LOOPBACK, listen } from '../sandbox/ports.js';
import { SEARCH_ATTRIBUTES } from '../src/contract/messages.js';
import { resolveTool } from '../src/platform/tool-resolver.js';
import { quiet, UNTHROTTLED } from '../test/support/temporal.js';
import type { Session } from './session.js';

const NAMESPACE = 'default';

export interface BenchServer {
  env: TestWorkflowEnvironment;
  /** `host:port` */
  address: string;
  pid: number;
}

export async function startServer(session: Session): Promise<BenchServer> {
  const { path } = await resolveTool('temporal', { log: session.log, signal: session.interrupted });
  const address = `${LOOPBACK}:${await freePort()}`;
  const starting = startDevServer(path, address, join(session.folder, 'temporal.log'));
  session.own(async () => (await starting).stop());
  const { pid } = await starting;
  quiet();
  const env = await TestWorkflowEnvironment.createFromExistingServer({ address, namespace: NAMESPACE });
  session.own(() => env.teardown());
  return { env, address, pid };
}

/** @param more arguments, such as a file that outlives the server; without one it lives in memory */
export function startDevServer(program: string, address: string, log: string, more: string[] = []) {
  const [ip = '', port = ''] = address.split(':');
  return startProcess({
    name: 'temporal',
    file: program,
    args: [
      ...['server', 'start-dev', '--ip', ip, '--port', port, '--headless', '--log-level', 'error'],
      ...UNTHROTTLED,
      ...more,
      ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    log,
    graceMs: 5_000,
    readyTimeoutMs: 60_000,
    ready: () => requireSearchAttributes(address),
  });
}

/** The server answers before its namespace knows them. */
async function requireSearchAttributes(address: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: '2s' });
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: NAMESPACE,
    });
    const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes));
    if (missing.length > 0) throw new Error(`search attributes are missing: ${missing.join(', ')}`);
  } finally {
    await connection.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, 0);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
