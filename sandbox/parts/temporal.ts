/** Temporal's dev server with its UI. Its history stays to be looked into until the next start: one SQLite file. */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Connection } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../src/contract/messages.js';
import { type RunningProcess, requireHttp, startProcess } from '../part.js';
import { LOOPBACK } from '../ports.js';
import type { PartContext } from './context.js';

/** As it comes it waits 50 ms on every hop and rounds timers up to a second. */
const UNTHROTTLED = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxTimeShift="1ms"',
];

export async function startTemporal(context: PartContext, program: string): Promise<RunningProcess> {
  const { ports, places } = context;
  const database = join(places.folder, 'temporal.db');
  await mkdir(dirname(database), { recursive: true, mode: 0o700 });
  return startProcess({
    name: 'temporal',
    file: program,
    args: [
      ...['server', 'start-dev', '--ip', LOOPBACK, '--port', String(ports.temporal)],
      ...['--ui-ip', LOOPBACK, '--ui-port', String(ports.temporalUi)],
      ...['--db-filename', database, '--log-level', 'warn'],
      ...UNTHROTTLED.flatMap((value) => ['--dynamic-config-value', value]),
      ...Object.values(SEARCH_ATTRIBUTES).flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    env: context.env,
    log: join(places.logs, 'temporal.log'),
    graceMs: 5_000,
    readyTimeoutMs: 60_000,
    ready: async () => {
      await requireHttp(`http://${LOOPBACK}:${ports.temporalUi}/`);
      await requireNamespace(`${LOOPBACK}:${ports.temporal}`);
    },
    onDeath: context.onDeath,
  });
}

/** The server answers before its namespace knows the search attributes. */
async function requireNamespace(address: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: '2s' });
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace: 'default',
    });
    const missing = Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes));
    if (missing.length > 0) throw new Error(`search attributes are missing: ${missing.join(', ')}`);
  } finally {
    await connection.close();
  }
}
