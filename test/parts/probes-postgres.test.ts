import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createPostgresProbe } from '../../src/adapters/probes/postgres/index.js';
import { schema } from '../../src/adapters/probes/postgres/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import type { Expectation, Json } from '../../src/plan/resolved.js';
import { describeProbe } from '../support/describe-probe.js';
import { type PostgresServer, startPostgres } from '../support/postgres.js';
import { subjectOf } from '../support/subject.js';

const MAX_CONNECTIONS = 6;
const probe = checked(schema, createPostgresProbe());
const subject = subjectOf('/');
let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({
    maxConnections: MAX_CONNECTIONS,
    settings: { superuser_reserved_connections: '1', shared_preload_libraries: 'pg_stat_statements' },
  });
  await server.query("create role app login password 'app-password'");
  await server.query('create table bookings (id serial primary key, reference text)');
  await server.query("insert into bookings (reference) values ('run-1')");
  await server.query('grant select, insert on bookings to app');
});

afterAll(async () => server?.stop());

function sample(query: string, options: { url?: string; parameters?: Json[]; timeoutMs?: number } = {}) {
  return probe.sample({
    config: {
      url: options.url ?? server.url,
      query,
      ...(options.parameters ? { parameters: options.parameters } : {}),
    },
    subject,
    expect: [],
    timeoutMs: options.timeoutMs ?? 5_000,
    signal: new AbortController().signal,
  });
}

/** Our own connections and those of nobody else; a backend ends a moment after its client. */
async function untilNobodyIsConnected(): Promise<void> {
  const query =
    "select count(*)::int as n from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
  await expect.poll(async () => (await server.query(query))[0]?.n, { timeout: 10_000 }).toBe(0);
}

/** Accepts connections and never says a word. */
async function openSilentServer(): Promise<{ server: Server; url: string }> {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  return { server: silent, url: `postgresql://a:b@127.0.0.1:${port}/c` };
}

describeProbe('postgres', async () => {
  const silent = await openSilentServer();
  return {
    probe,
    subject,
    good: { config: { url: server.url, query: 'select 1 as n' }, expect: [{ path: 'rows.0.n', equals: 1 }] },
    bad: {
      'no rows': { url: server.url, query: 'select 1 as n where false' },
      'another column': { url: server.url, query: 'select 1 as m' },
      'a text': { url: server.url, query: "select '1' as n" },
      null: { url: server.url, query: 'select null::int as n' },
      'a syntax error': { url: server.url, query: 'selct 1' },
      'two statements': { url: server.url, query: 'select 1 as n; select 1 as n' },
      'an empty query': { url: server.url, query: '-- nothing' },
      'a wrong password': { url: server.urlOf('app', 'wrong'), query: 'select 1 as n' },
      'no such database': { url: server.urlOf('app', 'app-password', 'nowhere'), query: 'select 1 as n' },
      'no PostgreSQL': { url: 'postgresql://a:b@127.0.0.1:1/c', query: 'select 1 as n' },
      'no URL': { url: 'mysql://127.0.0.1/c', query: 'select 1 as n' },
      'neither query nor preset': { url: server.url },
      'both query and preset': { url: server.url, query: 'select 1 as n', preset: 'activity' },
      'no such preset': { url: server.url, preset: 'locks' },
      'missing parameters': { url: server.url, query: 'select $1::int as n' },
      silence: { url: silent.url, query: 'select 1 as n' },
    },
    hanging: { url: server.url, query: 'select 1 as n from pg_sleep(600)' },
    close: async () => void silent.server.close(),
  };
});

describe('postgres', () => {
  it('puts parameters in, and gives numbers as numbers', async () => {
    const query =
      'select count(*)::int as n, count(*) as big, avg(id) as mean, true as yes, now() as at, null as nothing from bookings where reference = $1';
    expect(await sample(query, { parameters: ['run-1'] })).toEqual({
      kind: 'sample',
      value: {
        rows: [{ n: 1, big: 1, mean: 1, yes: true, at: expect.stringMatching(/^\d{4}-/), nothing: null }],
        rowCount: 1,
        truncated: false,
      },
    });
  });

  it('gives as text what a number cannot hold', async () => {
    const query =
      "select 9007199254740993::bigint as big, 'NaN'::float8 as none, 'Infinity'::float8 as endless";
    expect(await sample(query)).toHaveProperty('value.rows', [
      { big: '9007199254740993', none: 'NaN', endless: 'Infinity' },
    ]);
  });

  it('takes a hundred rows of a million, quickly', async () => {
    const found = await sample("select n, repeat('x', 100) as filler from generate_series(1, 1000000) as n");
    expect(found).toMatchObject({ kind: 'sample', value: { rowCount: 100, truncated: true } });
    expect(found).toHaveProperty('value.rows.99.n', 100);
    await untilNobodyIsConnected();
  });

  it('changes nothing, not by a second statement either', async () => {
    const before = await server.query('select count(*)::int as n from bookings');
    expect(await sample("insert into bookings (reference) values ('x') returning 1 as n")).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('a probe only reads'),
    });
    const escapes = [
      "commit; insert into bookings (reference) values ('x')",
      "select nextval('bookings_id_seq')",
    ];
    for (const query of escapes) expect((await sample(query)).kind).toBe('error');
    expect(await server.query('select count(*)::int as n from bookings')).toEqual(before);
  });

  it('ends a query that takes too long, on the server too', async () => {
    const found = await sample('select pg_sleep(600)', { timeoutMs: 400 });
    expect(found).toMatchObject({ kind: 'error', message: expect.stringMatching(/too long|within 400 ms/) });
    await untilNobodyIsConnected();
  });

  it('says what is wrong with the connection, without the password', async () => {
    const urls = [server.urlOf('app', 'wrong-password'), 'postgresql://a:wrong-password@127.0.0.1:1/c'];
    const found = await Promise.all(urls.map((url) => sample('select 1', { url })));
    expect(found).toMatchObject([
      { kind: 'error', message: expect.stringContaining('the password in "url" is not accepted') },
      { kind: 'error', message: expect.stringContaining('connection refused') },
    ]);
    expect(JSON.stringify(found)).not.toContain('wrong-password');
  });

  it('leaves no connection behind', async () => {
    await sample('select 1');
    await untilNobodyIsConnected();
  });

  it('calls a server without free connections a fail, and judges again when one is free', async () => {
    await untilNobodyIsConnected();
    const url = server.urlOf('app', 'app-password', 'postgres');
    const clients = Array.from(
      { length: MAX_CONNECTIONS - 1 },
      () => new pg.Client({ connectionString: url }),
    );
    try {
      for (const client of clients) await client.connect();
      expect(await sample('select 1', { url })).toMatchObject({
        kind: 'fail',
        message: expect.stringMatching(/takes no more connections \(53300\)/),
      });
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
    await expect
      .poll(async () => (await sample('select 1', { url })).kind, { timeout: 10_000 })
      .toBe('sample');
  });
});

describe('presets', () => {
  const ask = (preset: string, options: { url?: string; expect?: Expectation[] } = {}) =>
    probe.sample({
      config: { url: options.url ?? server.url, preset },
      subject,
      expect: options.expect ?? [],
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  const urlOfApp = () => server.urlOf('app', 'app-password');

  /** Sessions of the superuser: one in a transaction, one that waits for it. */
  async function withSessions(work: () => Promise<void>): Promise<void> {
    await untilNobodyIsConnected();
    const clients = [1, 2].map(() => new pg.Client({ connectionString: server.url }));
    const [first, second] = clients;
    try {
      for (const client of clients) await client.connect();
      await first?.query('begin; lock table bookings');
      const waiting = second?.query('begin; lock table bookings');
      await work();
      await first?.query('rollback');
      await waiting;
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  }

  it('activity counts who is connected and what they do, without itself', async () => {
    await withSessions(async () => {
      await expect
        .poll(async () => ask('activity'))
        .toMatchObject({
          kind: 'sample',
          value: { connections: 2, active: 1, idleInTransaction: 1, waiting: 1, maxConnections: 6 },
        });
      const found = await ask('activity');
      expect(found).toHaveProperty('value.utilizationPercent', 33.3);
      expect(found).toHaveProperty('value.oldestTransactionMs', expect.any(Number));
      expect(found).not.toHaveProperty('value.hidden');
    });
    await untilNobodyIsConnected();
    expect(await ask('activity')).toHaveProperty('value', {
      connections: 0,
      active: 0,
      idleInTransaction: 0,
      waiting: 0,
      maxConnections: 6,
      utilizationPercent: 0,
      oldestTransactionMs: 0,
    });
  });

  it('activity reads nothing as zero that other sessions hide from the user', async () => {
    await withSessions(async () => {
      const url = urlOfApp();
      expect(await ask('activity', { url })).toHaveProperty('value', {
        connections: 2,
        maxConnections: 6,
        utilizationPercent: 33.3,
      });
      expect(await ask('activity', { url, expect: [{ path: 'active', lt: 1 }] })).toMatchObject({
        kind: 'inconclusive',
        message: expect.stringContaining('grant pg_read_all_stats'),
      });
      await server.query('grant pg_read_all_stats to app');
      expect(await ask('activity', { url, expect: [{ path: 'active', lt: 1 }] })).toMatchObject({
        value: { active: 1 },
      });
    });
  });

  it('statements says what is missing, then what is slow, without its literals', async () => {
    expect(await ask('statements')).toMatchObject({
      kind: 'inconclusive',
      message: expect.stringContaining('CREATE EXTENSION pg_stat_statements'),
    });
    await server.query('create schema extensions');
    await server.query('create extension pg_stat_statements schema extensions');
    await server.query("select 1 as quick where 'CANARY' = 'x'");
    expect(await ask('statements')).toMatchObject({ kind: 'sample', value: { slow: 0, slowest: [] } });
    await server.query("do $$ begin perform pg_sleep(1.1), 'CANARY'; end $$");
    const found = await ask('statements');
    expect(found).toMatchObject({ value: { slow: 1, slowest: [{ calls: 1, meanMs: expect.any(Number) }] } });
    expect(found).toHaveProperty('value.worstMeanMs', expect.any(Number));
    expect(JSON.stringify(found)).not.toContain('CANARY');
  });
});

/** Asks for the password in the clear, and hears it. */
async function openAskingServer(): Promise<{ server: Server; url: string; heard: string[] }> {
  const heard: string[] = [];
  const asking = createServer((socket) => {
    const askForPassword = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]);
    socket.once('data', () => {
      socket.write(askForPassword);
      socket.once('data', (answer) => {
        heard.push(answer.subarray(5, -1).toString());
        socket.end();
      });
    });
  });
  await new Promise<void>((resolve) => asking.listen(0, '127.0.0.1', resolve));
  const { port } = asking.address() as AddressInfo;
  return { server: asking, url: `127.0.0.1:${port}/bookings`, heard };
}

describe('a database that a plan names', () => {
  it('is not told the password that the worker has for other servers', async () => {
    const home = await mkdtemp(join(tmpdir(), 'headgate-pgpass-'));
    const file = join(home, 'pgpass');
    await writeFile(file, '*:*:*:*:canary-of-pgpass\n', { mode: 0o600 });
    const asking = await openAskingServer();
    try {
      vi.stubEnv('PGPASSFILE', file);
      await sample('select 1 as n', { url: `postgresql://app@${asking.url}` });
      vi.stubEnv('PGPASSWORD', 'canary-of-environment');
      await sample('select 1 as n', { url: `postgresql://app@${asking.url}` });
      await sample('select 1 as n', { url: `postgresql://app@${asking.url}?password=x&password=` });
      // That it hears one at all.
      await sample('select 1 as n', { url: `postgresql://app:given%21@${asking.url}` });
      await sample('select 1 as n', { url: `postgresql://app@${asking.url}?password=given-too` });
      expect(asking.heard).toEqual(['', '', '', 'given!', 'given-too']);
    } finally {
      vi.unstubAllEnvs();
      asking.server.close();
      await rm(home, { recursive: true, force: true });
    }
  });

  it.each(['sslcert', 'sslkey', 'sslrootcert'])(
    'does not hold the worker by a pipe as its %s',
    async (name) => {
      const folder = await mkdtemp(join(tmpdir(), 'headgate-pipe-'));
      try {
        const pipe = join(folder, 'pipe');
        execFileSync('mkfifo', [pipe]);
        for (const file of [pipe, '/dev/zero', join(folder, 'none')]) {
          const found = await sample('select 1 as n', { url: `${server.url}?${name}=${file}` });
          expect(found).toEqual({
            kind: 'error',
            message: `"${name}" of "url" names no file of at most 1 MB that the worker can read`,
          });
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
