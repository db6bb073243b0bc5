/** What the sandbox's CloudWatch learns of a database by itself, as a probe would read it. */
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningWorld, startWorld } from '../../sandbox/parts/world.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { INSTANCE, type LocalRds, startLocalRds } from '../support/sandbox-rds.js';

const region = 'us-east-1';
const { signal } = new AbortController();
const cloudwatch = createCloudWatch();

describe.skipIf(motoIsMissing())('the world', () => {
  let moto: Moto;
  let rds: LocalRds;
  let world: RunningWorld;
  const said: string[] = [];
  beforeAll(async () => {
    moto = await startMoto();
    rds = await startLocalRds({ max_connections: '40' });
    world = await startWorld({
      aws: { endpoint: moto.url, region, accessKeyId: 'testing', secretAccessKey: 'testing' },
      databases: [{ identifier: INSTANCE, database: rds, hasAlarms: true }],
      log: (line) => said.push(line),
    });
  });
  afterAll(async () => {
    await world?.stop();
    await rds?.stop();
    await moto?.stop();
  });

  /** Of the last seconds. */
  async function readMaximum(): Promise<number | undefined> {
    const untilMs = Math.ceil(Date.now() / 1000) * 1000;
    const [newest] = await cloudwatch.readMetric(
      {
        region,
        namespace: 'AWS/RDS',
        name: 'DatabaseConnections',
        dimensions: { DBInstanceIdentifier: INSTANCE },
        statistic: 'Maximum',
        periodMs: 1_000,
        fromMs: untilMs - 3_000,
        untilMs,
      },
      signal,
    );
    return newest?.value;
  }

  async function readAlarms(): Promise<Record<string, string>> {
    const alarms = await cloudwatch.listAlarms({ prefix: `${INSTANCE}-`, region }, signal);
    return Object.fromEntries(alarms.map(({ name, state }) => [name, state]));
  }

  async function readLimit(): Promise<number | undefined> {
    const client = new CloudWatchClient({ region });
    const AlarmNames = [`${INSTANCE}-connections`];
    const { MetricAlarms } = await client.send(new DescribeAlarmsCommand({ AlarmNames }));
    client.destroy();
    return MetricAlarms?.[0]?.Threshold;
  }

  it('publishes how many connections the application has, every second', async () => {
    await expect.poll(readMaximum, { timeout: 10_000 }).toBe(0);
    const clients = [await connect(), await connect()];
    await expect.poll(readMaximum, { timeout: 10_000 }).toBe(2);
    for (const client of clients) await client.end();
    await expect.poll(readMaximum, { timeout: 10_000 }).toBe(0);
  });

  it('raises the alarm of the connections above 90 % of what is in force, and takes it back', async () => {
    const calm = { [`${INSTANCE}-connections`]: 'OK', [`${INSTANCE}-cpu`]: 'OK' };
    expect([await readAlarms(), await readLimit()]).toEqual([calm, 36]);
    const clients: pg.Client[] = [];
    while (clients.length < 37) clients.push(await connect());
    await expect
      .poll(readAlarms, { timeout: 10_000 })
      .toEqual({ ...calm, [`${INSTANCE}-connections`]: 'ALARM' });
    for (const client of clients) await client.end();
    await expect.poll(readAlarms, { timeout: 10_000 }).toEqual(calm);
  });

  it('goes on after a restart, with the limit that is in force then', async () => {
    await rds.query('alter system set max_connections = 60');
    await rds.restart();
    await expect.poll(readLimit, { timeout: 10_000 }).toBe(54);
    const client = await connect();
    await expect.poll(readMaximum, { timeout: 10_000 }).toBe(1);
    await client.end();
    expect(said).toEqual([]);
  });

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: rds.databaseUrl });
    client.on('error', () => {});
    await client.connect();
    return client;
  }
});
