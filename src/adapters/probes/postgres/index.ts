/** One read-only query, or the questions of a preset. */
import { stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import pg from 'pg';
import type { Json } from '../../../plan/resolved.js';
import type { Probe, Sample, SampleRequest } from '../probe.js';
import { explainFailure } from './failures.js';
import { type Ask, askActivity, askStatements } from './presets.js';
import type { Config } from './schema.js';
import { parseText } from './values.js';

const MOST_ROWS = 100;

/**
 * Sample: `{ rows, rowCount, truncated }`, at most 100 rows; of a preset see there. The connection lives for one sample,
 * in a read-only transaction whose statements the server ends after `timeoutMs`. Too many connections (53300) is a `fail`; every
 * other refusal is an `error`.
 */
export function createPostgresProbe(): Probe<Config> {
  return {
    kind: 'postgres',
    writes: () => false,
    inForcePaths: () => [],
    async sample(request) {
      request.signal.throwIfAborted();
      if (/^postgres(ql)?:\/\//.test(request.config.url)) return ask(request);
      const message = 'url is no PostgreSQL URL; expected postgresql://user:password@host:port/database';
      return { kind: 'error', message };
    },
  };
}

async function ask(request: SampleRequest<Config>): Promise<Sample> {
  const { timeoutMs, signal } = request;
  const socket = new Socket();
  const timeout = AbortSignal.timeout(timeoutMs);
  const end = AbortSignal.any([signal, timeout]);
  const hangUp = () => socket.destroy();
  end.addEventListener('abort', hangUp, { once: true });
  try {
    const sample = await askOnce(socket, request);
    signal.throwIfAborted();
    return sample;
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { kind: 'error', message: `no complete answer within ${timeoutMs} ms` };
    return explainFailure(error);
  } finally {
    end.removeEventListener('abort', hangUp);
    socket.destroy();
  }
}

type Found = {
  rows: Json[];
  rowCount: number;
  /** There were more rows. */
  truncated: boolean;
};

async function askOnce(
  socket: Socket,
  { config, expect, timeoutMs }: SampleRequest<Config>,
): Promise<Sample> {
  const client = await connect(socket, config.url, timeoutMs);
  const rowsOf: Ask = async (query) => (await readRows(client, query, [])).rows;
  if (config.preset === 'activity') return askActivity(rowsOf, expect);
  if (config.preset === 'statements') return askStatements(rowsOf);
  const found = await readRows(client, config.query ?? '', config.parameters ?? []);
  if (!found.truncated) await client.end();
  return { kind: 'sample', value: found };
}

/** Certificates and keys, which the driver reads at once and whole: a pipe would hold the worker for ever. */
const FILE_PARAMETERS = ['sslcert', 'sslkey', 'sslrootcert'];
const LONGEST_FILE = 1024 * 1024;

/** @throws Error that names the parameter, and not what it holds */
async function requireFiles({ searchParams }: URL): Promise<void> {
  for (const name of FILE_PARAMETERS) {
    for (const file of searchParams.getAll(name)) {
      const status = await stat(file).catch(() => undefined);
      if (!status?.isFile() || status.size > LONGEST_FILE) {
        throw new Error(`"${name}" of "url" names no file of at most 1 MB that the worker can read`);
      }
    }
  }
}

/**
 * The driver would fill in for a URL without a password what the worker has for other servers, PGPASSWORD and
 * ~/.pgpass, and it is the plan that names the server.
 */
function withoutOwnPassword(client: pg.Client, { password, searchParams }: URL): void {
  const given = [decodeURIComponent(password), ...searchParams.getAll('password')];
  if (!given.some((text) => text !== '' && text === client.password)) {
    Object.defineProperty(client, 'password', { value: '' });
  }
}

/** As the driver reads it: without a host it is a socket's. */
function parseUrl(url: string): URL {
  return new URL(URL.canParse(url) ? url : url.replace('@/', '@localhost/'));
}

async function connect(socket: Socket, url: string, timeoutMs: number): Promise<pg.Client> {
  const parsed = parseUrl(url);
  await requireFiles(parsed);
  const client = new pg.Client({
    connectionString: url,
    application_name: 'headgate',
    stream: () => socket,
    types: { getTypeParser: (oid: number) => (text: string) => parseText(oid, text) },
  });
  withoutOwnPassword(client, parsed);
  // Whatever ends the connection also ends the query that waits for it.
  client.on('error', () => {});
  await client.connect();
  // So that the server ends a query whose probe was aborted. Servers before 14, and those not on Linux, refuse.
  await client.query('set client_connection_check_interval = 500').catch(() => {});
  await client.query(`begin transaction read only; set local statement_timeout = ${Math.ceil(timeoutMs)}`);
  return client;
}

/** The extended protocol takes one statement only, so that nothing can end the transaction and begin another. */
function readRows(client: pg.Client, text: string, values: Json[]): Promise<Found> {
  const config = { text, values, queryMode: 'extended', rows: MOST_ROWS + 1 };
  const query = client.query(new pg.Query<{ [column: string]: Json }>(config));
  const rows: Json[] = [];
  return new Promise((resolve, reject) => {
    query.on('row', (row) => {
      if (rows.length === MOST_ROWS) resolve({ rows, rowCount: MOST_ROWS, truncated: true });
      else rows.push({ ...row });
    });
    query.on('error', reject);
    query.on('end', () => resolve({ rows, rowCount: rows.length, truncated: false }));
  });
}
