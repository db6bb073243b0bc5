/** RDS that fails while it is asked for a reboot: the real activity restarts the database once, however often it asks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ModifyDBParameterGroupCommand, RDSClient } from '@aws-sdk/client-rds';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/activities/clock.js';
import { createRebootActivities } from '../../src/activities/reboot/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { RebootStep } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { attempt } from '../support/attempt.js';
import { type FaultProxy, type HttpFault, startFaultProxy } from '../support/fault-proxy.js';
import { noHosts } from '../support/no-hosts.js';
import { INSTANCE, type LocalRds, startLocalRds } from '../support/sandbox-rds.js';
import { subjectOf } from '../support/subject.js';

const region = 'us-east-1';

describe('reboot, behind an RDS that fails', () => {
  let world: LocalRds;
  let proxy: FaultProxy;
  /** A reboot never lowers it. */
  let limit = 30;
  let before: { reboots: number; startedAt: unknown };
  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
    world = await startLocalRds({ max_connections: String(limit) });
  });
  afterAll(() => world?.stop());
  beforeEach(async () => {
    limit += 5;
    await configure(limit);
    before = await readWorld();
    proxy = await startFaultProxy(world.endpoint);
    return () => proxy.close();
  });

  async function configure(value: number): Promise<void> {
    const client = new RDSClient({ endpoint: world.endpoint, region });
    const parameter = { ParameterName: 'max_connections', ParameterValue: String(value) };
    const Parameters = [{ ...parameter, ApplyMethod: 'pending-reboot' as const }];
    await client.send(new ModifyDBParameterGroupCommand({ DBParameterGroupName: INSTANCE, Parameters }));
    client.destroy();
  }

  async function readWorld() {
    const [row] = await world.query(
      `select current_setting('max_connections')::int as limit, pg_postmaster_start_time()::text as "startedAt"`,
    );
    const actions = await world.actions();
    const reboots = actions.filter((action) => action === 'RebootDBInstance').length;
    return { limit: row?.limit, startedAt: row?.startedAt, reboots };
  }

  function activities() {
    const redactor = new Redactor();
    const references = new References({
      allowed: ['DATABASE_URL'],
      env: { DATABASE_URL: world.databaseUrl },
      readSecret: async () => '',
      redactor,
    });
    const rds = createRds({ endpoint: proxy.url });
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
    return createRebootActivities({ rds, sampler, clock: systemClock });
  }

  function input() {
    const step: RebootStep = {
      kind: 'reboot',
      id: 'reboot',
      stage: 'production',
      name: 'production/reboot',
      onRollback: 'keep',
      config: {
        rdsInstance: INSTANCE,
        region,
        maxOutageMs: 60_000,
        verify: [],
        probeTimeoutMs: 1_000,
        probeIntervalMs: 1_000,
      },
    };
    return { context: subjectOf('/').context, step, databaseUrl: '${env:DATABASE_URL}' };
  }

  const logger = new DefaultLogger('ERROR');
  const run = <T>(work: () => Promise<T>): Promise<T> =>
    new MockActivityEnvironment(undefined, { logger }).run(work);

  /** Looks at it, and restarts it while `action` fails. */
  async function rebootWhile(action: string, times: number, fault: HttpFault) {
    const { found: base } = await run(() => activities().lookReboot(input()));
    const call = { ...input(), base, intentAt: new Date().toISOString() };
    // The server's clock tells whole milliseconds.
    await sleep(5);
    proxy.rules.push({ match: ({ target }) => target === action, times, fault });
    return attempt(() => run(() => activities().rebootInstance(call)));
  }

  async function expectRebootedOnce(): Promise<void> {
    const after = await readWorld();
    expect(after).toMatchObject({ limit, reboots: before.reboots + 1 });
    expect(after.startedAt).not.toBe(before.startedAt);
  }

  it.each(['status 500', 'throttle', 'cut before forwarding'] satisfies HttpFault[])(
    'asked in vain (%s): asked again, restarted once',
    async (fault) => {
      const { result, failures } = await rebootWhile('RebootDBInstance', 1, fault);
      expect(failures).toHaveLength(1);
      expect(result).toMatchObject({ rebooted: true });
      await expectRebootedOnce();
    },
  );

  it.each(['cut after forwarding', { slowMs: 20_000 }] satisfies HttpFault[])(
    'its answer is lost (%j): it is seen that it restarts, and nobody asks again',
    async (fault) => {
      const { result } = await rebootWhile('RebootDBInstance', 1, fault);
      expect(result).toMatchObject({ startedAt: expect.any(String) });
      expect(proxy.calls.filter(({ target }) => target === 'RebootDBInstance')).toHaveLength(1);
      await expectRebootedOnce();
    },
  );

  it('RDS that tells nothing for a while is waited for', async () => {
    const { result, failures } = await rebootWhile('DescribeDBInstances', 4, 'status 500');
    expect(proxy.calls.filter(({ fault }) => fault)).toHaveLength(4);
    expect([result, failures]).toMatchObject([{ rebooted: true }, []]);
    await expectRebootedOnce();
  });
});
