/** The sandbox's RDS, asked by the real client: a real PostgreSQL is behind it. */
import {
  DescribeDBInstancesCommand,
  DescribeDBParameterGroupsCommand,
  DescribeDBParametersCommand,
  DescribeEventsCommand,
  ModifyDBParameterGroupCommand,
  type Parameter,
  paginateDescribeDBParameters,
  RDSClient,
  RebootDBInstanceCommand,
  ResetDBParameterGroupCommand,
  waitUntilDBInstanceAvailable,
} from '@aws-sdk/client-rds';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { findOnPath } from '../../src/platform/tool-resolver.js';
import { INSTANCE, type LocalRds, startLocalRds } from '../support/sandbox-rds.js';

const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
const group = { DBParameterGroupName: INSTANCE };
const aws = await findOnPath('aws');
if (!aws) console.warn('SKIPPED, the command of the document: there is no aws on PATH.');

let rds: LocalRds;
let client: RDSClient;
beforeAll(async () => {
  rds = await startLocalRds({ max_connections: '80', log_min_duration_statement: '1000' });
  client = new RDSClient({ endpoint: rds.endpoint, region: 'us-east-1', credentials, maxAttempts: 1 });
});
afterAll(async () => {
  client?.destroy();
  await rds?.stop();
});

async function describeInstance() {
  const input = { DBInstanceIdentifier: INSTANCE };
  const { DBInstances: [found] = [] } = await client.send(new DescribeDBInstancesCommand(input));
  return { ...found, applyStatus: found?.DBParameterGroups?.[0]?.ParameterApplyStatus };
}

async function readParameter(name: string): Promise<Parameter | undefined> {
  const Filters = [{ Name: 'parameter-name', Values: [name] }];
  const { Parameters } = await client.send(new DescribeDBParametersCommand({ ...group, Filters }));
  expect(Parameters?.length).toBeLessThanOrEqual(1);
  return Parameters?.[0];
}

function modify(name: string, value: string, method: 'immediate' | 'pending-reboot') {
  const Parameters = [{ ParameterName: name, ParameterValue: value, ApplyMethod: method }];
  return client.send(new ModifyDBParameterGroupCommand({ ...group, Parameters }));
}

async function reboot(): Promise<void> {
  await client.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE }));
  await untilAvailable();
}

async function untilAvailable(): Promise<void> {
  const patience = { client, maxWaitTime: 30, minDelay: 0.05, maxDelay: 0.05 };
  await waitUntilDBInstanceAvailable(patience, { DBInstanceIdentifier: INSTANCE });
}

async function inForce(name: string): Promise<string> {
  const [row] = await rds.query(`select current_setting('${name}') as value`);
  return String(row?.value);
}

describe('the RDS front', () => {
  it('tells the instance and its parameter group as RDS does', async () => {
    const found = await describeInstance();
    expect(found).toMatchObject({
      DBInstanceIdentifier: INSTANCE,
      DBInstanceStatus: 'available',
      Engine: 'postgres',
      MultiAZ: false,
      Endpoint: { Address: '127.0.0.1', Port: rds.port },
      DBParameterGroups: [{ ...group, ParameterApplyStatus: 'in-sync' }],
    });
    const { DBParameterGroups } = await client.send(new DescribeDBParameterGroupsCommand({}));
    expect(DBParameterGroups).toMatchObject([{ ...group, DBParameterGroupFamily: 'postgres18' }]);
  });

  it('lists every parameter once over its pages, with its source', async () => {
    const all: Parameter[] = [];
    let pages = 0;
    // It writes the marker into what it is given.
    for await (const page of paginateDescribeDBParameters({ client, pageSize: 50 }, { ...group })) {
      expect(page.Parameters?.length).toBeLessThanOrEqual(50);
      all.push(...(page.Parameters ?? []));
      pages += 1;
    }
    const [row] = await rds.query(`select count(*)::int as n from pg_settings where context <> 'internal'`);
    expect(all.length).toBe(row?.n);
    expect(new Set(all.map(({ ParameterName }) => ParameterName)).size).toBe(all.length);
    expect(pages).toBe(Math.ceil(all.length / 50));
    const ofUser = all.filter(({ Source }) => Source === 'user').map(({ ParameterName }) => ParameterName);
    expect(ofUser).toEqual(['log_min_duration_statement', 'max_connections']);
    const asked = await client.send(new DescribeDBParametersCommand({ ...group, Source: 'user' }));
    expect(asked.Parameters?.map(({ ParameterName }) => ParameterName)).toEqual(ofUser);
  });

  it('says of a parameter what AWS says', async () => {
    expect(await readParameter('max_connections')).toMatchObject({
      ParameterValue: '80',
      Source: 'user',
      ApplyType: 'static',
      ApplyMethod: 'pending-reboot',
      DataType: 'integer',
      AllowedValues: '1-262143',
      IsModifiable: true,
    });
    expect(await readParameter('work_mem')).toMatchObject({
      Source: 'engine-default',
      ApplyType: 'dynamic',
    });
  });

  it('a static parameter pends until the reboot, and is in force after it', async () => {
    await modify('max_connections', '100', 'pending-reboot');
    expect(await readParameter('max_connections')).toMatchObject({ ParameterValue: '100' });
    expect(await inForce('max_connections')).toBe('80');
    expect(await describeInstance()).toMatchObject({
      DBInstanceStatus: 'available',
      applyStatus: 'pending-reboot',
    });

    const [before, pid] = [await rds.query('select pg_postmaster_start_time() as at'), rds.pid()];
    await client.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE }));
    expect(await describeInstance()).toMatchObject({
      DBInstanceStatus: 'rebooting',
      applyStatus: 'pending-reboot',
    });
    await untilAvailable();

    expect(await inForce('max_connections')).toBe('100');
    expect(await describeInstance()).toMatchObject({ applyStatus: 'in-sync' });
    expect(await rds.query('select pg_postmaster_start_time() as at')).not.toEqual(before);
    expect(rds.pid()).not.toBe(pid);
    expect(rds.deaths, 'a stop for a reboot is no death').toEqual([]);
  });

  it('what is set back to what is in force pends no more', async () => {
    await modify('max_connections', '120', 'pending-reboot');
    expect(await describeInstance()).toMatchObject({ applyStatus: 'pending-reboot' });
    await modify('max_connections', '100', 'pending-reboot');
    expect(await describeInstance()).toMatchObject({ applyStatus: 'in-sync' });
  });

  it('a dynamic parameter is in force at once, or waits when it was told to', async () => {
    await modify('work_mem', '8192', 'immediate');
    expect(await inForce('work_mem')).toBe('8MB');
    expect(await describeInstance()).toMatchObject({ applyStatus: 'in-sync' });

    await modify('work_mem', '16384', 'pending-reboot');
    expect([await inForce('work_mem'), await describeInstance()]).toMatchObject([
      '8MB',
      { applyStatus: 'pending-reboot' },
    ]);
    await reboot();
    expect([await inForce('work_mem'), await describeInstance()]).toMatchObject([
      '16MB',
      { applyStatus: 'in-sync' },
    ]);
    expect(await readParameter('work_mem')).toMatchObject({ Source: 'user', ParameterValue: '16384' });
  });

  it.each([
    ['a static parameter at once', 'max_connections', '90', 'immediate', 'InvalidParameterCombination'],
    ['a name that there is not', 'max_conections', '90', 'pending-reboot', 'InvalidParameterValue'],
    ['a value that PostgreSQL refuses', 'max_connections', 'many', 'pending-reboot', 'InvalidParameterValue'],
  ] as const)('refuses %s, and changes nothing', async (_what, name, value, method, code) => {
    const before = await readParameter('max_connections');
    await expect(modify(name, value, method)).rejects.toMatchObject({ name: code });
    expect(await readParameter('max_connections')).toEqual(before);
    expect(await describeInstance()).toMatchObject({ applyStatus: 'in-sync' });
  });

  it('refuses what it does not know by the code that AWS has for it', async () => {
    const unknown = { DBInstanceIdentifier: 'nobody' };
    await expect(client.send(new DescribeDBInstancesCommand(unknown))).rejects.toMatchObject({
      name: 'DBInstanceNotFoundFault',
    });
    const missing = { DBParameterGroupName: 'nobody' };
    await expect(client.send(new DescribeDBParametersCommand(missing))).rejects.toMatchObject({
      name: 'DBParameterGroupNotFoundFault',
    });
    await expect(client.send(new ResetDBParameterGroupCommand(group))).rejects.toMatchObject({
      name: 'InvalidAction',
    });
    const Filters = [{ Name: 'engine', Values: ['postgres'] }];
    await expect(client.send(new DescribeDBInstancesCommand({ Filters }))).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    });
  });

  it('takes no second reboot while one is under way, and tells of both ends of it', async () => {
    const since = new Date();
    await client.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE }));
    await expect(
      client.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE })),
    ).rejects.toMatchObject({ name: 'InvalidDBInstanceStateFault' });
    await untilAvailable();
    const asked = { SourceIdentifier: INSTANCE, SourceType: 'db-instance' as const, StartTime: since };
    const { Events = [] } = await client.send(new DescribeEventsCommand(asked));
    expect(Events.map(({ Message }) => Message)).toEqual(['DB instance shutdown', 'DB instance restarted']);
    expect(Events.every(({ EventCategories }) => EventCategories?.includes('availability'))).toBe(true);
    const others = await client.send(
      new DescribeEventsCommand({ ...asked, EventCategories: ['maintenance'] }),
    );
    expect(others.Events).toEqual([]);
  });

  it('a change sent while it reboots is there when it is back', async () => {
    await client.send(new RebootDBInstanceCommand({ DBInstanceIdentifier: INSTANCE }));
    await modify('max_connections', '110', 'pending-reboot');
    expect(await describeInstance()).toMatchObject({
      DBInstanceStatus: 'available',
      applyStatus: 'pending-reboot',
    });
    await modify('max_connections', '100', 'pending-reboot');
  });

  it('writes every call down', async () => {
    const before = await rds.actions();
    await describeInstance();
    expect(await rds.actions()).toEqual([...before, 'DescribeDBInstances']);
    expect(before).toContain('RebootDBInstance');
  });

  it.skipIf(!aws)("the document's own command shows the parameter", async () => {
    const shown = await runChild({
      file: aws ?? '',
      args: [
        ...['rds', 'describe-db-parameters', '--db-parameter-group-name', INSTANCE],
        ...['--region', 'us-east-1', '--query', 'Parameters[?ParameterName==`max_connections`]'],
        ...['--endpoint-url', rds.endpoint, '--output', 'json'],
      ],
      env: { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' },
      timeoutMs: 30_000,
    });
    expect(shown.stderr).toBe('');
    expect(JSON.parse(shown.stdout)).toMatchObject([
      { ParameterName: 'max_connections', ParameterValue: '100', ApplyType: 'static', Source: 'user' },
    ]);
  });
});
