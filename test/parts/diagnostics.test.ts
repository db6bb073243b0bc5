/** What a failed release tells, from a real PostgreSQL, a real endpoint and real programs; and what there is when they are silent. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createDiagnosticsActivities,
  type DiagnosticsManifest,
} from '../../src/activities/diagnostics/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createPoolMetricsProbe } from '../../src/adapters/probes/poolMetrics/index.js';
import { schema as poolMetricsSchema } from '../../src/adapters/probes/poolMetrics/schema.js';
import { createPostgresProbe } from '../../src/adapters/probes/postgres/index.js';
import { schema as postgresSchema } from '../../src/adapters/probes/postgres/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { createCommandTarget } from '../../src/adapters/targets/command/index.js';
import { schema as commandSchema } from '../../src/adapters/targets/command/schema.js';
import { checked as checkedTarget } from '../../src/adapters/targets/registry.js';
import type { DiagnosticsInput, Release } from '../../src/contract/activities.js';
import type { Diagnostics } from '../../src/contract/progress.js';
import type { Json } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { removeLiterals } from '../../src/platform/sql-literals.js';
import { closedAddress, type LocalServer, serve } from '../support/http-server.js';
import { deployStep } from '../support/plans.js';
import { type PostgresServer, startPostgres } from '../support/postgres.js';
import { waitFor } from '../support/processes.js';
import { subjectOf } from '../support/subject.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/target.mjs', import.meta.url));
const TOKEN = 'canary-admin-token';
const BLUE = 'v1.0.0';

/** The pool that a release reports, and a slow query with a canary in it. */
function metrics(limit: number) {
  return {
    pool: { active: 48, total: limit, limit, utilization: 100, idle: 0, waiting: 7, timeoutsTotal: 12 },
    config: { connectionLimit: limit },
    slowQueries: [
      {
        query: "select * from bookings where code = 'CANARY-APPLICATION'",
        durationMs: 1_240,
        at: '2026-01-16T12:00:00.000Z',
        parameters: ['CANARY-PARAMETER', 4_711],
        note: 'CANARY-NOTE',
      },
    ],
  };
}

describe('collectDiagnostics', () => {
  let home: string;
  let state: string;
  let postgres: PostgresServer;
  let blue: LocalServer;
  let green: LocalServer;

  beforeAll(async () => {
    postgres = await startPostgres({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
    const pool = (limit: number) =>
      serve((request, response) => {
        if (request.headers.authorization !== `Bearer ${TOKEN}`) response.statusCode = 401;
        response.end(JSON.stringify(metrics(limit)));
      });
    [blue, green] = [await pool(20), await pool(50)];
  });
  afterAll(async () => {
    await Promise.all([blue?.close(), green?.close(), postgres?.stop()]);
  });
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'headgate-diagnostics-'));
    state = join(home, 'state.json');
    await setState({ id: 'green', version: 'v1.0.1', url: green.url });
    await writeFile(`${state}.green.log`, `INFO started\nERROR connection pool timeout\nWARN ${TOKEN}\n`);
    await writeFile(`${state}.green.previous.log`, 'FATAL: sorry, too many clients already\nINFO stopped\n');
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  /** After the way back's first move: blue is live again, green still stands beside it. */
  const setState = (candidate: Release | null) =>
    writeFile(state, JSON.stringify({ live: { id: 'blue', version: BLUE, url: blue.url }, candidate }));
  const program = (verb: string): Json => [process.execPath, PROGRAM, state, verb];

  function input(
    change: Partial<DiagnosticsInput> = {},
    target: { [key: string]: Json } = {},
  ): DiagnosticsInput {
    const step = deployStep('production');
    const verbs = ['status', 'prepare', 'promote', 'restore', 'retire', 'restart', 'logs', 'previousLogs'];
    step.config.targetConfig = {
      ...Object.fromEntries(verbs.map((verb) => [verb, program(verb)])),
      ...target,
    };
    const config = { url: '${release:url}/admin/metrics/database', bearer: '${env:ADMIN_TOKEN}' };
    return {
      context: subjectOf(home).context,
      step,
      // As it was promoted: this address leads to blue again.
      release: { id: 'green', version: 'v1.0.1', url: blue.url },
      databaseUrl: '${env:DATABASE_URL}',
      probes: [{ name: 'poolLoad', kind: 'poolMetrics', config, expect: [], timeoutMs: 2_000 }],
      measurements: [
        { probe: 'healthy', outcome: 'fail', at: '', message: 'status = 503', values: {}, durationMs: 4 },
      ],
      ...change,
    };
  }

  function collect(
    of: DiagnosticsInput,
    env: Record<string, string> = {},
    environment = new MockActivityEnvironment(),
  ): Promise<Diagnostics> {
    const redactor = new Redactor();
    const references = new References({
      allowed: ['DATABASE_URL', 'ADMIN_TOKEN'],
      env: { DATABASE_URL: postgres.url, ADMIN_TOKEN: TOKEN, ...env },
      readSecret: async () => '',
      redactor,
    });
    const artifacts = new ArtifactStore(home, redactor);
    const probes = new Map([
      ['poolMetrics', checked(poolMetricsSchema, createPoolMetricsProbe())],
      ['postgres', checked(postgresSchema, createPostgresProbe())],
    ]);
    const command = createCommandTarget({ runChild, commandsEnabled: true });
    const activities = createDiagnosticsActivities({
      targets: new Map([['command', checkedTarget(commandSchema, command)]]),
      sampler: createSampler({ probes, references, redactor, now: Date.now }),
      ...{ references, artifacts, redactor },
      now: () => Date.parse('2026-01-16T12:00:09.000Z'),
    });
    return environment.run(() => activities.collectDiagnostics(of));
  }

  const pathOf = ({ folder }: Diagnostics, name: string) =>
    join(home, 'artifacts', 'booking', 'run-1', folder, name);
  const read = (diagnostics: Diagnostics, name: string) => readFile(pathOf(diagnostics, name), 'utf8');
  const readJson = async (diagnostics: Diagnostics, name: string) =>
    JSON.parse(await read(diagnostics, name));
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  /** A client in the middle of a query. */
  async function holdQuery(text: string): Promise<{ end(): Promise<void> }> {
    const client = new pg.Client({ connectionString: postgres.url, application_name: 'shop-green' });
    client.on('error', () => {});
    await client.connect();
    const running = client.query(text).catch(() => {});
    await waitFor(async () => {
      const rows = await postgres.query(
        "select 1 from pg_stat_activity where application_name = 'shop-green' and state = 'active'",
      );
      return rows.length === 1;
    }, 'the query to run');
    return {
      async end() {
        await postgres.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'shop-green'",
        );
        await running;
        await client.end().catch(() => {});
      },
    };
  }

  it('secures every source under a manifest with its digests, for nobody else to read', async () => {
    await postgres.query('create extension if not exists pg_stat_statements');
    await postgres.query("do $$ begin perform pg_sleep(1.1), 'CANARY-STATEMENT'; end $$");
    const held = await holdQuery("select pg_sleep(60), 'CANARY-ACTIVE', 4711 as answer -- CANARY-COMMENT");
    const diagnostics = await collect(input());
    await held.end();

    expect(diagnostics).toMatchObject({
      stage: 'production',
      release: 'green',
      folder: 'diagnostics/production-green',
      missing: [],
    });
    expect(Buffer.byteLength(JSON.stringify(diagnostics))).toBeLessThan(4 * 1024);
    const manifestBytes = await readFile(pathOf(diagnostics, 'manifest.json'));
    expect(sha256(manifestBytes)).toBe(diagnostics.manifestSha256);
    const manifest: DiagnosticsManifest = JSON.parse(manifestBytes.toString('utf8'));
    expect(manifest).toMatchObject({
      ...{
        application: 'booking',
        runId: 'run-1',
        stage: 'production',
        collectedAt: '2026-01-16T12:00:09.000Z',
      },
      release: { id: 'green' },
    });
    const names = [
      'release.log',
      'previous.log',
      'connections.log',
      'pg_stat_activity.json',
      'pool-metrics.json',
    ];
    expect(diagnostics.files).toEqual([...names, 'slow-queries.json', 'measurements.json']);
    expect(manifest.files.map(({ name }) => name)).toEqual(diagnostics.files);
    for (const { name, sha256: digest, bytes } of manifest.files) {
      const content = await readFile(pathOf(diagnostics, name));
      expect([name, digest, bytes]).toEqual([name, sha256(content), content.length]);
      expect((await stat(pathOf(diagnostics, name))).mode & 0o777, name).toBe(0o600);
      expect(content.toString('utf8'), name).not.toMatch(/CANARY|4711/);
    }

    expect(await read(diagnostics, 'connections.log')).toBe(
      'FATAL: sorry, too many clients already\nERROR connection pool timeout\n',
    );
    expect(await readJson(diagnostics, 'pg_stat_activity.json')).toContainEqual({
      pid: expect.any(Number),
      usename: 'postgres',
      application_name: 'shop-green',
      state: 'active',
      state_change: expect.any(String),
      wait_event: 'PgSleep',
      query: 'select pg_sleep(?), ?, ? as answer ?',
    });
    const slow = await readJson(diagnostics, 'slow-queries.json');
    expect(slow.application).toEqual([
      {
        query: 'select * from bookings where code = ?',
        durationMs: 1_240,
        at: '2026-01-16T12:00:00.000Z',
        parameters: '?',
        note: '?',
      },
    ]);
    expect(slow.pg_stat_statements).toContainEqual(
      expect.objectContaining({ query: 'do ?', calls: 1, mean_exec_time: expect.any(Number) }),
    );
    expect(await readJson(diagnostics, 'measurements.json')).toMatchObject([{ message: 'status = 503' }]);
  });

  it('asks the failed release, not the one that its address leads to again', async () => {
    const { pool, config, slowQueries } = await readJson(await collect(input()), 'pool-metrics.json');
    expect([pool.limit, config.connectionLimit, slowQueries]).toEqual([50, 50, undefined]);

    await setState(null);
    const gone = await collect(input({ release: { id: 'red', version: 'v1.0.1', url: blue.url } }));
    expect(gone.files).not.toContain('pool-metrics.json');
    expect(gone.missing).toContainEqual('pool-metrics.json: the target knows red no more');
    const fixed = {
      name: 'pool',
      kind: 'poolMetrics',
      config: { url: blue.url },
      expect: [],
      timeoutMs: 1_000,
    };
    const elsewhere = await collect(
      input({ probes: [fixed], release: { id: 'grey', version: 'v1.0.1', url: blue.url } }),
    );
    expect(elsewhere.missing).toContainEqual(expect.stringContaining('pool asks a fixed address'));
  });

  it('what the worker knows as a secret is masked in logs and in reasons', async () => {
    const failing = { previousLogs: ['node', '-e', `console.error('${TOKEN}'); process.exit(3)`] };
    const diagnostics = await collect(input({}, failing));
    expect(await read(diagnostics, 'release.log')).toContain('WARN [redacted]');
    expect(diagnostics.missing.join()).toMatch(
      /previous\.log: previousLogs \("node"\) ended with 3: \[redacted\]/,
    );
    expect(await read(diagnostics, 'manifest.json')).not.toContain(TOKEN);
  });

  it('keeps the newest megabyte of a log, from the beginning of a line on', async () => {
    const line = (number: number) => `line ${number} ${'x'.repeat(100)}\n`;
    await writeFile(`${state}.green.log`, Array.from({ length: 12_000 }, (_, index) => line(index)).join(''));
    const log = await read(await collect(input()), 'release.log');
    expect(log.length).toBeLessThanOrEqual(1024 * 1024);
    expect(log.length).toBeGreaterThan(1024 * 1024 - 200);
    expect(log).toMatch(/^line \d+ x/);
    expect(log.endsWith(line(11_999))).toBe(true);
  });

  it('collects once: what an earlier attempt has secured is not replaced by later evidence', async () => {
    const first = await collect(input());
    await writeFile(`${state}.green.log`, 'INFO started again\n');
    expect(await collect(input())).toEqual(first);
    expect(await read(first, 'release.log')).toContain('pool timeout');
    await writeFile(pathOf(first, 'manifest.json'), 'half a manif');
    expect((await collect(input())).manifestSha256).not.toBe(first.manifestSha256);
    expect(await read(first, 'release.log')).toBe('INFO started again\n');
  });

  it('a release whose id cannot name a folder has one all the same, and none that leads elsewhere', async () => {
    const diagnostics = await collect(input({ release: { id: '../a/b:c', version: 'v1', url: blue.url } }));
    expect(diagnostics.folder).toBe('diagnostics/production-.._a_b_c');
    expect(await readdir(pathOf(diagnostics, '.'))).toContain('manifest.json');
  });

  it('what does not answer is cut off, and the rest is there', async () => {
    const silent = await serve(() => {});
    const database = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => database.listen(0, '127.0.0.1', resolve));
    const address = database.address();
    if (address === null || typeof address === 'string') throw new Error('the system gave no port');
    const databaseUrl = `postgresql://a:b@127.0.0.1:${address.port}/app`;
    await setState({ id: 'green', version: 'v1.0.1', url: silent.url });
    const startedAt = performance.now();
    try {
      const slow = { logs: program('hang') };
      const diagnostics = await collect(input({}, slow), { DATABASE_URL: databaseUrl });
      expect(performance.now() - startedAt).toBeLessThan(12_000);
      expect(diagnostics.files).toEqual(['previous.log', 'connections.log', 'measurements.json']);
      expect(diagnostics.missing).toEqual([
        'release.log: no answer within 5 s',
        expect.stringMatching(/^pg_stat_activity\.json: no .*answer within/),
        expect.stringMatching(/^pool-metrics\.json: .*no .*answer within/),
        expect.stringMatching(
          /^slow-queries\.json: pool metrics: .*no .*answer within .*pg_stat_statements: no/,
        ),
      ]);
    } finally {
      await silent.close();
      await new Promise((resolve) => database.close(resolve));
    }
  });

  it('a release of which nothing is left still has a manifest, with the reasons', async () => {
    const databaseUrl = (await closedAddress()).replace('http:', 'postgresql:').concat('/app');
    const down = { status: program('fail'), logs: program('fail'), previousLogs: ['/no/such/program'] };
    const diagnostics = await collect(input({}, down), { DATABASE_URL: databaseUrl });
    expect(diagnostics.files).toEqual(['measurements.json']);
    const manifest: DiagnosticsManifest = await readJson(diagnostics, 'manifest.json');
    expect(manifest.missing.map(({ name, why }) => `${name}: ${why}`)).toEqual(diagnostics.missing);
    expect(diagnostics.missing).toEqual([
      expect.stringMatching(/^release\.log: logs .* ended with 7: the disk is full$/),
      expect.stringMatching(/^previous\.log: Cannot start/),
      'connections.log: there is no log to look through',
      expect.stringMatching(/^pg_stat_activity\.json: connection refused/),
      expect.stringMatching(/^pool-metrics\.json: status .* ended with 7/),
      expect.stringMatching(
        /^slow-queries\.json: pool metrics: status .*; pg_stat_statements: connection refused/,
      ),
    ]);
  });

  it('names what nobody could be asked for', async () => {
    const { logs: _logs, previousLogs: _previous, ...bare } = input().step.config.targetConfig;
    const of = input({ databaseUrl: undefined, probes: [] });
    of.step.config.targetConfig = bare;
    expect((await collect(of)).missing).toEqual([
      'release.log: the target command tells no such log',
      'previous.log: the target command tells no such log',
      'connections.log: there is no log to look through',
      'pg_stat_activity.json: no probe of the stage names its database',
      'pool-metrics.json: no probe of the stage reads pool metrics',
      expect.stringContaining('slow-queries.json: '),
    ]);
    const refused = await collect(
      input({ release: { id: 'red', version: '', url: '' }, databaseUrl: '${env:HOME}' }),
    );
    expect(refused.missing.join()).toContain('the worker does not allow ${env:HOME}');
    const unknown = input({ release: { id: 'grey', version: '', url: '' } });
    unknown.step.config.target = 'nowhere';
    expect((await collect(unknown)).missing.join()).toContain('this worker has no target "nowhere"');
  });

  it('half of the slow queries is better than none, and the other half is named', async () => {
    await postgres.query('drop extension if exists pg_stat_statements');
    const diagnostics = await collect(input());
    expect((await readJson(diagnostics, 'slow-queries.json')).pg_stat_statements).toBeNull();
    expect(diagnostics.missing).toEqual([
      expect.stringMatching(/^slow-queries\.json: pg_stat_statements: .*does not exist/),
    ]);
  });

  it('ends with the reason when the worker goes, so that another one collects', async () => {
    const environment = new MockActivityEnvironment();
    environment.on('heartbeat', () => environment.cancel('WORKER_SHUTDOWN'));
    const collecting = collect(input({}, { logs: program('hang') }), {}, environment);
    await expect(collecting).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  it.each([
    "select 'CANARY', 'it''s CANARY', ''",
    "select E'it\\'s CANARY \\\\', e'CANARY'",
    "select b'101', x'1F', N'CANARY', U&'\\0043CANARY', U&'!0043CANARY' uescape '!'",
    'select $$CANARY$$, $tag$CANARY $$ CANARY$tag$, $ü$CANARY$ü$',
    "select E'CANARY'\n'it\\'s CANARY'",
    'select 1, 2.5e-3, .5, 1_000, 0x1F, 5 /* CANARY /* CANARY */ CANARY */ -- CANARY\n, 6',
    'select 1 as "it\'s ""odd""", 1 as a$b2, 1 as größe',
  ])('PostgreSQL takes this form of literal, and no data of it is left: %j', async (sql) => {
    await postgres.query(sql);
    expect(removeLiterals(sql)).not.toContain('CANARY');
  });
});
