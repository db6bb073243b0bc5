/** `reboot` against the sandbox's RDS, behind which a real PostgreSQL is restarted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ModifyDBParameterGroupCommand, RDSClient, RebootDBInstanceCommand } from '@aws-sdk/client-rds';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/activities/clock.js';
import { createRebootActivities } from '../../src/activities/reboot/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { Look, RebootEffect, RebootFound, RebootInput } from '../../src/contract/activities.js';
import type { Expectation, RebootStep } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds, type Rds } from '../../src/tools/aws/rds.js';
import { noHosts } from '../support/no-hosts.js';
import { INSTANCE, type LocalRds, startLocalRds } from '../support/sandbox-rds.js';

const region = 'us-east-1';
const place = { instance: INSTANCE, region };

let world: LocalRds;
let api: RDSClient;
let rds: Rds;
beforeAll(async () => {
  world = await startLocalRds({ max_connections: '80', log_min_duration_statement: '1000' });
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  api = new RDSClient({ endpoint: world.endpoint, region });
  rds = createRds({ endpoint: world.endpoint });
});
afterAll(async () => {
  api?.destroy();
  await world?.stop();
});
beforeEach(async () => {
  await configure('max_connections', '80');
  await configure('max_worker_processes', '8');
  if ((await rds.describeInstance(place)).parameterApplyStatus === 'pending-reboot') await restartByHand();
});

async function configure(name: string, value: string): Promise<void> {
  const Parameters = [{ ParameterName: name, ParameterValue: value, ApplyMethod: 'pending-reboot' as const }];
  await api.send(new ModifyDBParameterGroupCommand({ DBParameterGroupName: INSTANCE, Parameters }));
}

async function restartByHand(): Promise<void> {
  await api.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE }));
  await untilAvailable();
}

async function untilAvailable(): Promise<void> {
  while ((await rds.describeInstance(place)).status !== 'available') await sleep(20);
}

async function inForce(): Promise<number> {
  const [row] = await world.query(`select current_setting('max_connections')::int as n`);
  return Number(row?.n);
}

async function countReboots(): Promise<number> {
  return (await world.actions()).filter((action) => action === 'RebootDBInstance').length;
}

interface Setup {
  databaseUrl?: string | null;
  maxOutageMs?: number;
  expect?: Expectation[];
  rds?: Partial<Rds>;
  clock?: Clock;
}

function activitiesOf({ rds: change = {}, clock = systemClock }: Setup) {
  const redactor = new Redactor();
  const references = new References({
    allowed: ['DATABASE_URL'],
    env: { DATABASE_URL: world.databaseUrl },
    readSecret: async () => '',
    redactor,
  });
  const probes = createProbes({
    ...noHosts,
    references,
    artifacts: new ArtifactStore('/nowhere', redactor),
    runChild,
    commandsEnabled: false,
    now: Date.now,
    secrets: { describe: async () => ({ currentVersionId: '', labels: {} }) },
    rds,
    cloudwatch: createCloudWatch(),
  });
  const sampler = createSampler({ probes, references, redactor, now: Date.now });
  const changed: Rds = {
    describeInstance: (at) => rds.describeInstance(at),
    readParameter: (at, name) => rds.readParameter(at, name),
    listUserParameters: (at) => rds.listUserParameters(at),
    reboot: (at) => rds.reboot(at),
    recentEvents: (at, sinceMs) => rds.recentEvents(at, sinceMs),
    ...change,
  };
  return createRebootActivities({ rds: changed, sampler, clock });
}

function inputOf(setup: Setup): RebootInput {
  const { databaseUrl = '${env:DATABASE_URL}', maxOutageMs = 60_000 } = setup;
  const step: RebootStep = {
    kind: 'reboot',
    id: 'reboot',
    stage: 'production',
    name: 'production/reboot',
    onRollback: 'keep',
    config: {
      rdsInstance: INSTANCE,
      region,
      maxOutageMs,
      probeTimeoutMs: 10_000,
      probeIntervalMs: 1_000,
      verify: [
        {
          name: 'maxConnections',
          kind: 'rdsParameter',
          config: { instance: INSTANCE, name: 'max_connections', region },
          expect: setup.expect ?? [
            { path: 'effective', equals: 100 },
            { path: 'pendingReboot', equals: false },
          ],
          timeoutMs: 5_000,
        },
      ],
    },
  };
  const context = { application: 'app', version: 'v2', runId: 'run-1', directory: '/', startedBy: 'ana' };
  return { context, step, databaseUrl: databaseUrl ?? undefined };
}

function look(setup: Setup = {}): Promise<Look<RebootFound>> {
  const activities = activitiesOf(setup);
  return new MockActivityEnvironment().run(() => activities.lookReboot(inputOf(setup)));
}

/** One attempt; what it heartbeats is handed to the next. */
interface Attempt {
  base: RebootFound;
  intentAt: string;
  heartbeats?: unknown[];
  environment?: MockActivityEnvironment;
}

async function intend(setup: Setup = {}): Promise<Attempt> {
  const { found } = await look(setup);
  return { base: found, intentAt: new Date().toISOString(), heartbeats: [] };
}

function carryOut(attempt: Attempt, setup: Setup = {}): Promise<RebootEffect> {
  const { base, intentAt, heartbeats = [] } = attempt;
  const environment =
    attempt.environment ?? new MockActivityEnvironment({ heartbeatDetails: heartbeats.at(-1) });
  environment.on('heartbeat', (details) => heartbeats.push(structuredClone(details)));
  const activities = activitiesOf(setup);
  return environment.run(() => activities.rebootInstance({ ...inputOf(setup), base, intentAt }));
}

describe('look', () => {
  it('says that an apply alone changes nothing in force, and what only the reboot makes true', async () => {
    const { found, changes, warnings, effect, undo } = await look();
    expect(found).toMatchObject({
      status: 'available',
      parameterGroup: INSTANCE,
      pending: false,
      multiAz: false,
      maxConnections: 80,
    });
    const [row] = await world.query('select pg_postmaster_start_time() as at');
    expect(found.startedAt).toBe(row?.at instanceof Date ? row.at.toISOString() : '');
    expect(changes).toEqual([
      expect.stringMatching(
        /^restarts whatsapp-saas-prod if something waits .*single-AZ.* change nothing in force by an apply alone$/,
      ),
      'max_connections is 80 in force, expected 100: only this reboot makes it true',
    ]);
    expect([warnings, effect, undo]).toEqual([[], 'detectable', undefined]);
  });

  it('after the apply: what pends comes into force, and until then nothing does', async () => {
    const before = await look();
    await configure('max_connections', '100');
    const { found, changes, digest } = await look();
    expect([found.pending, found.maxConnections, await inForce()]).toEqual([true, 80, 80]);
    expect(changes).toEqual([
      'restarts whatsapp-saas-prod (single-AZ: an outage of at most 1m is tolerated): max_connections 80 → 100 comes into force',
      'max_connections is 80 in force, expected 100: only this reboot makes it true',
    ]);
    expect(digest, "the step's own expectation announces the change: the approval holds").toBe(before.digest);
  });

  it('a change that nobody announced, and a restart, are another digest', async () => {
    const before = await look();
    await configure('max_worker_processes', '12');
    const changed = await look();
    expect(changed.changes[0]).toContain('max_worker_processes 8 → 12 comes into force');
    expect(changed.digest).not.toBe(before.digest);
    await configure('max_worker_processes', '8');
    expect((await look()).digest).toBe(before.digest);
    await world.restart();
    expect((await look()).digest).not.toBe(before.digest);
  });

  it('lowering is refused, whether a probe expects it or the parameter group says so', async () => {
    const expected = look({ expect: [{ path: 'effective', equals: 60 }] });
    await expect(expected).rejects.toMatchObject({
      type: 'Refused',
      message: expect.stringContaining(
        'would lower max_connections of whatsapp-saas-prod from 80, which is in force, to 60 (probe maxConnections expects it)',
      ),
    });
    await configure('max_connections', '70');
    await expect(look()).rejects.toMatchObject({
      type: 'Refused',
      message: expect.stringContaining('to 70 (its parameter group says so)'),
    });
    await configure('max_connections', '80');
    expect((await look({ expect: [{ path: 'effective', gte: 60 }] })).changes).toHaveLength(1);
  });

  it('without a database it says that no outage can be measured, and takes the group at its word', async () => {
    const { found, changes, warnings } = await look({ databaseUrl: null });
    expect([found.startedAt, found.maxConnections]).toEqual([undefined, undefined]);
    expect(warnings).toEqual([expect.stringContaining('cannot be measured')]);
    expect(changes[1]).toContain('max_connections is 80 in force, expected 100');
    await expect(
      look({ databaseUrl: null, expect: [{ path: 'effective', equals: 60 }] }),
    ).rejects.toMatchObject({ type: 'Refused' });
  });

  it('a database that does not answer is a warning', async () => {
    const { warnings } = await look({ databaseUrl: 'postgres://a:b@127.0.0.1:1/c' });
    expect(warnings).toEqual([expect.stringContaining('did not tell what is in force: connection refused')]);
  });
});

describe('rebootInstance', () => {
  it('puts in force what pends, and measures the outage as the database had it', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const witness = watchOutage();
    const { rebooted, outageMs = 0, startedAt } = await carryOut(attempt);
    const witnessedMs = await witness.stop();
    expect([rebooted, await inForce()]).toEqual([true, 100]);
    expect(await rds.describeInstance(place)).toMatchObject({
      status: 'available',
      parameterApplyStatus: 'in-sync',
    });
    expect(Date.parse(startedAt ?? '')).toBeGreaterThan(Date.parse(attempt.intentAt));
    // It asks every 200 ms, at both ends.
    expect(outageMs).toBeGreaterThan(witnessedMs - 100);
    expect(outageMs).toBeLessThan(witnessedMs + 1_000);
    expect(world.deaths).toEqual([]);
  });

  it('does nothing when nothing pends', async () => {
    const before = await countReboots();
    expect(await carryOut(await intend())).toMatchObject({ rebooted: false });
    expect(await countReboots()).toBe(before);
  });

  it('reboots for a parameter that RDS does not call pending yet', async () => {
    await configure('max_connections', '100');
    const inSync: Partial<Rds> = {
      describeInstance: async (at) => ({
        ...(await rds.describeInstance(at)),
        parameterApplyStatus: 'in-sync',
      }),
    };
    expect(await carryOut(await intend(), { rds: inSync })).toMatchObject({ rebooted: true });
    expect(await inForce()).toBe(100);
  });

  it('an attempt that died after the call is completed by the next, without a second reboot', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const before = await countReboots();
    const lost: Partial<Rds> = {
      async reboot(at) {
        await rds.reboot(at);
        await untilAvailable();
        throw new Error('the worker is gone');
      },
    };
    await expect(carryOut(attempt, { rds: lost })).rejects.toThrow('the worker is gone');
    const completed = await carryOut(attempt);
    expect(completed).toMatchObject({ rebooted: true, outageMs: expect.any(Number) });
    expect(await countReboots()).toBe(before + 1);

    expect(await carryOut(attempt), 'and once more').toMatchObject({ rebooted: true });
    expect(await countReboots()).toBe(before + 1);
  });

  it('an attempt that comes in the middle of the reboot waits for its end', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    await rds.reboot(place);
    const before = await countReboots();
    expect(await carryOut(attempt)).toMatchObject({ rebooted: true });
    expect([await countReboots(), await inForce()]).toEqual([before, 100]);
  });

  it('an attempt that died before the call is made good by the next', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const refusing = { reboot: () => Promise.reject(new Error('the worker is gone')) };
    await expect(carryOut(attempt, { rds: refusing })).rejects.toThrow('the worker is gone');
    expect(await inForce()).toBe(80);
    expect(await carryOut(attempt)).toMatchObject({ rebooted: true });
    expect(await inForce()).toBe(100);
  });

  it('an answer that was lost is no failure: the instance reboots', async () => {
    await configure('max_connections', '100');
    const lost: Partial<Rds> = {
      async reboot(at) {
        await rds.reboot(at);
        throw new Error('RDS instance: AWS cannot be reached (ECONNRESET)');
      },
    };
    expect(await carryOut(await intend(), { rds: lost })).toMatchObject({ rebooted: true });
  });

  it('a longer outage than is tolerated fails the gate, once the database is back', async () => {
    await configure('max_connections', '100');
    await expect(carryOut(await intend(), { maxOutageMs: 1 })).rejects.toMatchObject({
      type: 'GateFailed',
      nonRetryable: true,
      message: expect.stringMatching(
        /^whatsapp-saas-prod was out for \S+, expected at most 1ms\. It is back/,
      ),
    });
    expect(await inForce()).toBe(100);
  });

  it('lowering that came up after the look is refused before the call', async () => {
    const attempt = await intend();
    await configure('max_connections', '70');
    const before = await countReboots();
    await expect(carryOut(attempt)).rejects.toMatchObject({ type: 'Refused' });
    expect([await countReboots(), await inForce()]).toEqual([before, 80]);
  });

  it('another parameter group than the one looked at is drift', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const moved = { ...attempt, base: { ...attempt.base, parameterGroup: 'another' } };
    await expect(carryOut(moved)).rejects.toMatchObject({ type: 'Drift' });
    expect(await inForce()).toBe(80);
  });

  it('a database that does not answer before is not restarted', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const before = await countReboots();
    await expect(carryOut(attempt, { databaseUrl: 'postgres://a:b@127.0.0.1:1/c' })).rejects.toThrow(
      /does not answer before the reboot \(connection refused/,
    );
    expect(await countReboots()).toBe(before);
  });

  it('a database that is full is restarted all the same', async () => {
    await configure('max_connections', '100');
    const attempt = await intend();
    const clients = await fillDatabase();
    const found = await look();
    expect(found.warnings).toEqual([expect.stringContaining('takes no more connections (53300)')]);
    expect(await carryOut(attempt)).toMatchObject({ rebooted: true });
    expect(await inForce()).toBe(100);
    for (const client of clients) await client.end().catch(() => {});
  });

  it('without a database the time until RDS says available counts', async () => {
    const setup = { databaseUrl: null };
    await configure('max_connections', '100');
    const attempt = await intend(setup);
    const { outageMs, parameters } = await carryOut(attempt, setup);
    expect(outageMs).toBeUndefined();
    expect(parameters).toMatchObject({ group: INSTANCE, values: { max_connections: '100' } });
    expect(await inForce()).toBe(100);
    await configure('max_connections', '120');
    const second = carryOut(await intend(setup), { ...setup, maxOutageMs: 1 });
    await expect(second).rejects.toMatchObject({
      type: 'GateFailed',
      message: expect.stringContaining('counted from the call'),
    });
  });

  describe('that does not come to its end', () => {
    /** RDS says so after the call until it is let go. */
    function holdAt(status: string) {
      let called = false;
      let held = true;
      let described = 0;
      return {
        letGo: () => {
          held = false;
        },
        /** Since the call. */
        described: () => described,
        rds: {
          async reboot(at) {
            await rds.reboot(at);
            called = true;
          },
          async describeInstance(at) {
            const state = await rds.describeInstance(at);
            if (!called || !held) return state;
            described += 1;
            return { ...state, status };
          },
        } satisfies Partial<Rds>,
      };
    }

    it('is given up after a quarter of an hour, and names what was seen', async () => {
      await configure('max_connections', '100');
      const { rds: held } = holdAt('rebooting');
      const reboot: Rds['reboot'] = async (at) => {
        await held.reboot(at);
        // Fifteen minutes pass within a second here, and the database is back long before.
        await untilAvailable();
      };
      let nowMs = Date.now();
      const clock: Clock = {
        now: () => nowMs,
        async sleep(ms) {
          nowMs += ms * 100;
          await sleep(1);
        },
      };
      const attempt = await intend();
      await expect(carryOut(attempt, { rds: { ...held, reboot }, clock })).rejects.toMatchObject({
        type: 'GateFailed',
        message: expect.stringMatching(
          /is not back: after 15 minutes RDS says rebooting, in-sync; the database has been running since/,
        ),
      });
    });

    it('is given up at once when nothing but a person can help', async () => {
      await configure('max_connections', '100');
      const { rds: held } = holdAt('incompatible-parameters');
      await expect(carryOut(await intend(), { rds: held })).rejects.toMatchObject({
        type: 'GateFailed',
        message: expect.stringContaining('incompatible-parameters'),
      });
    });

    it('a cancel waits until it is back', async () => {
      await configure('max_connections', '100');
      const hold = holdAt('rebooting');
      const environment = new MockActivityEnvironment();
      let settled = false;
      const work = carryOut({ ...(await intend()), environment }, { rds: hold.rds }).finally(() => {
        settled = true;
      });
      const failure = work.catch((error: unknown) => error);
      while (hold.described() < 1) await sleep(20);
      environment.cancel();
      while (hold.described() < 3) await sleep(20);
      expect(settled).toBe(false);
      hold.letGo();
      expect(await failure).toBeInstanceOf(CancelledFailure);
      expect(await inForce()).toBe(100);
    });

    it('a worker that shuts down leaves it to another one', async () => {
      await configure('max_connections', '100');
      const hold = holdAt('rebooting');
      const attempt = await intend();
      const environment = new MockActivityEnvironment();
      const failure = carryOut({ ...attempt, environment }, { rds: hold.rds }).catch((error) => error);
      while (hold.described() < 1) await sleep(20);
      environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
      expect(await failure).toBeInstanceOf(CancelledFailure);
      const before = await countReboots();
      expect(await carryOut(attempt)).toMatchObject({ rebooted: true });
      expect(await countReboots()).toBe(before);
    });

    it('a cancel before the call restarts nothing', async () => {
      await configure('max_connections', '100');
      const attempt = await intend();
      const before = await countReboots();
      const environment = new MockActivityEnvironment();
      environment.cancel();
      await expect(carryOut({ ...attempt, environment })).rejects.toBeInstanceOf(CancelledFailure);
      expect([await countReboots(), await inForce()]).toEqual([before, 80]);
    });
  });
});

/** An independent witness that asks without a pause. @returns ms from its last answer before to its first one after */
function watchOutage(): { stop(): Promise<number> } {
  let watching = true;
  let [lastMs, longestMs] = [performance.now(), 0];
  const ended = (async () => {
    while (watching) {
      const client = new pg.Client({ connectionString: world.databaseUrl });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('select 1');
        const nowMs = performance.now();
        longestMs = Math.max(longestMs, nowMs - lastMs);
        lastMs = nowMs;
      } catch {
        await sleep(5);
      } finally {
        await client.end().catch(() => {});
      }
    }
  })();
  return {
    async stop() {
      watching = false;
      await ended;
      return longestMs;
    },
  };
}

/** Every connection that is not kept for the superuser. */
async function fillDatabase(): Promise<pg.Client[]> {
  const clients: pg.Client[] = [];
  for (;;) {
    const client = new pg.Client({ connectionString: world.databaseUrl });
    client.on('error', () => {});
    try {
      await client.connect();
      clients.push(client);
    } catch {
      return clients;
    }
  }
}
