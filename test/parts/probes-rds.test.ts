/** The RDS tool and the probe rdsParameter: at moto as far as it goes, and at a double for what moto lacks. */
import {
  CreateDBInstanceCommand,
  CreateDBParameterGroupCommand,
  ModifyDBParameterGroupCommand,
  RDSClient,
} from '@aws-sdk/client-rds';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createRdsParameterProbe,
  type ParameterReader,
} from '../../src/adapters/probes/rdsParameter/index.js';
import { schema } from '../../src/adapters/probes/rdsParameter/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { describeProbe } from '../support/describe-probe.js';
import { closedAddress } from '../support/http-server.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { type ApiParameter, type RdsApi, startRdsApi } from '../support/rds-api.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';

const PLACE = { instance: 'shop-prod', region: 'us-east-1' };
const GROUP = { ...PLACE, parameterGroup: 'shop-pg16' };

/** As PostgreSQL 16 has them: far more than one page. */
function fillGroup(...own: ApiParameter[]): ApiParameter[] {
  const others = Array.from({ length: 250 }, (_unused, index): ApiParameter => {
    return { name: `other_${index}`, value: '1', source: 'engine-default', applyType: 'dynamic' };
  });
  return [...others, ...own];
}

const maxConnections = (
  value: string | undefined,
  source: ApiParameter['source'] = 'user',
): ApiParameter => ({
  name: 'max_connections',
  value,
  source,
  applyType: 'static',
});

let api: RdsApi;
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
  api = await startRdsApi();
});
afterAll(() => api.close());
beforeEach(() => {
  api.instance = { name: 'shop-prod', status: 'available', applyStatus: 'in-sync', endpoint: true };
  api.parameters = fillGroup(maxConnections('100'));
  api.failures = [];
  api.events = [];
  api.silent = false;
  api.actions = [];
});

describe('the tool', () => {
  const rds = () => createRds({ endpoint: api.url });

  it('says what state an instance is in', async () => {
    expect(await rds().describeInstance(PLACE)).toEqual({
      instance: 'shop-prod',
      status: 'available',
      parameterGroup: 'shop-pg16',
      parameterApplyStatus: 'in-sync',
      engine: 'postgres',
      endpoint: { address: 'shop-prod.example', port: 5432 },
      multiAz: true,
    });
    api.instance.endpoint = false;
    expect((await rds().describeInstance(PLACE)).endpoint).toBeUndefined();
  });

  it('finds a parameter on the last page, and says when there is none of the name', async () => {
    expect(await rds().readParameter(GROUP, 'max_connections')).toEqual({
      name: 'max_connections',
      value: '100',
      source: 'user',
      applyType: 'static',
      applyMethod: 'pending-reboot',
    });
    expect(api.actions).toHaveLength(3);
    expect(await rds().readParameter(GROUP, 'max_conections')).toBeUndefined();
  });

  it('lists all that somebody has set, over pages', async () => {
    const set = Array.from({ length: 130 }, (_unused, index): ApiParameter => {
      return { name: `set_${index}`, value: '1', source: 'user', applyType: 'dynamic' };
    });
    api.parameters = fillGroup(...set);
    const names = (await rds().listUserParameters(GROUP)).map(({ name }) => name);
    expect(names).toEqual(set.map(({ name }) => name));
  });

  it('reboots once, and not while the instance is rebooting', async () => {
    await rds().reboot(PLACE);
    expect(api.instance.status).toBe('rebooting');
    const again = rds().reboot(PLACE);
    await expect(again).rejects.toThrow(/RDS instance shop-prod is in no state for this now/);
    await expect(again).rejects.not.toHaveProperty('nonRetryable', true);
  });

  it('never sends a reboot twice by itself', async () => {
    api.failures = [
      { status: 500, code: 'InternalFailure' },
      { status: 500, code: 'InternalFailure' },
    ];
    await expect(rds().reboot(PLACE)).rejects.toThrow(/AWS failed with 500/);
    expect(api.actions).toEqual(['RebootDBInstance']);
    expect(api.instance.status).toBe('available');
  });

  it('repeats what only reads, by itself', async () => {
    api.failures = [{ status: 500, code: 'InternalFailure' }];
    expect((await rds().describeInstance(PLACE)).status).toBe('available');
    expect(api.actions).toEqual(['DescribeDBInstances', 'DescribeDBInstances']);
  });

  it('tells reboots since a time, the newest first, over pages, and nothing else', async () => {
    const at = (minute: number) => new Date(Date.UTC(2026, 0, 16, 12, minute)).toISOString();
    const restarts = Array.from({ length: 40 }, (_unused, minute) => {
      return { at: at(minute), message: `DB instance restarted ${minute}`, category: 'availability' };
    });
    const backups = restarts.map((each) => ({ ...each, message: 'Backing up', category: 'backup' }));
    const paged = await startRdsApi(20);
    try {
      paged.events = [...backups, ...restarts];
      const found = await createRds({ endpoint: paged.url }).recentEvents(PLACE, Date.parse(at(10)));
      expect(found).toHaveLength(30);
      expect(found[0]).toEqual({ at: at(39), message: 'DB instance restarted 39' });
      expect(paged.actions).toHaveLength(2);
    } finally {
      await paged.close();
    }
  });

  it.each([
    [404, 'DBInstanceNotFound', 'notFound', /was not found. Check its name and region/],
    [403, 'AccessDenied', 'denied', /may not do this \(AccessDenied\). Extend its policy/],
    [403, 'InvalidClientTokenId', 'unconfigured', /no valid AWS credentials/],
    [400, 'InvalidParameterValue', 'rejected', /AWS refused the request/],
  ])('%i %s is not worth repeating', async (status, code, reason, message) => {
    api.failures = [{ status, code }];
    const asked = rds().describeInstance(PLACE);
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true, details: [{ reason }] });
  });

  it('a throttled or unreachable RDS is worth repeating', async () => {
    api.failures = Array.from({ length: 3 }, () => ({ status: 400, code: 'Throttling' }));
    await expect(rds().describeInstance(PLACE)).rejects.toThrow(/AWS throttles the worker/);
    const gone = createRds({ endpoint: await closedAddress() }).describeInstance(PLACE);
    await expect(gone).rejects.toThrow(/AWS cannot be reached \(ECONNREFUSED\)/);
    await expect(gone).rejects.not.toHaveProperty('nonRetryable', true);
  });
});

describe('rdsParameter', () => {
  const probe = () => checked(schema, createRdsParameterProbe({ rds: createRds({ endpoint: api.url }) }));
  const sample = async (name = 'max_connections') => takeSample(probe(), { ...PLACE, name });

  it('a static change pends until the reboot: what is in force is not known before, and known after', async () => {
    api.instance.applyStatus = 'pending-reboot';
    expect(await sample()).toEqual({
      kind: 'sample',
      value: {
        configured: 100,
        pendingReboot: true,
        source: 'user',
        applyType: 'static',
        status: 'available',
        note: 'not known: parameter group shop-pg16 is pending-reboot',
      },
    });
    api.instance.applyStatus = 'in-sync';
    expect(await sample()).toMatchObject({ value: { effective: 100, pendingReboot: false } });
  });

  it.each(['applying', 'failed-to-apply', 'pending-database-upgrade'])(
    '%s is not in force',
    async (status) => {
      api.instance.applyStatus = status;
      const found = await sample();
      expect(found).toMatchObject({ kind: 'sample', value: { pendingReboot: false } });
      expect(found).not.toHaveProperty('value.effective');
    },
  );

  it('a formula is told, not guessed', async () => {
    const formula = 'LEAST({DBInstanceClassMemory/9531392},5000)';
    api.parameters = fillGroup(maxConnections(formula, 'system'));
    const found = await sample();
    expect(found).toMatchObject({
      value: { configured: formula, note: `RDS works it out from a formula: ${formula}` },
    });
    expect(found).not.toHaveProperty('value.effective');
  });

  it('a parameter that the group does not have is an error that names it', async () => {
    expect(await sample('max_conections')).toEqual({
      kind: 'error',
      message: 'parameter group shop-pg16 has no parameter "max_conections"; check its name',
    });
  });
});

describeProbe('rdsParameter', async () => {
  const silent = await startRdsApi();
  silent.silent = true;
  const [answering, hanging] = [createRds({ endpoint: api.url }), createRds({ endpoint: silent.url })];
  const of = ({ region }: { region?: string }) => (region === 'eu-hangs-1' ? hanging : answering);
  const rds: ParameterReader = {
    describeInstance: (place) => of(place).describeInstance(place),
    readParameter: (place, name) => of(place).readParameter(place, name),
  };
  return {
    probe: checked(schema, createRdsParameterProbe({ rds })),
    subject: subjectOf('/'),
    good: {
      config: { ...PLACE, name: 'max_connections' },
      expect: [
        { path: 'effective', equals: 100 },
        { path: 'pendingReboot', equals: false },
      ],
    },
    bad: {
      'no such instance': { ...PLACE, instance: 'nothing', name: 'max_connections' },
      'no such parameter': { ...PLACE, name: 'nothing' },
    },
    hanging: { ...PLACE, region: 'eu-hangs-1', name: 'max_connections' },
    close: () => silent.close(),
  };
});

describe.skipIf(motoIsMissing())('at moto', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    const client = new RDSClient({});
    const DBParameterGroupName = 'shop-pg';
    await client.send(
      new CreateDBParameterGroupCommand({
        DBParameterGroupName,
        DBParameterGroupFamily: 'postgres16',
        Description: 'of the test',
      }),
    );
    await client.send(
      new CreateDBInstanceCommand({
        DBInstanceIdentifier: 'moto-prod',
        Engine: 'postgres',
        DBInstanceClass: 'db.t3.micro',
        AllocatedStorage: 20,
        MasterUsername: 'owner',
        MasterUserPassword: 'canary-password',
        DBParameterGroupName,
      }),
    );
    await client.send(
      new ModifyDBParameterGroupCommand({
        DBParameterGroupName,
        Parameters: [
          { ParameterName: 'max_connections', ParameterValue: '100', ApplyMethod: 'pending-reboot' },
        ],
      }),
    );
    client.destroy();
  });
  afterAll(() => moto?.stop());

  const place = { instance: 'moto-prod' };

  it("is found by the SDK's own environment, in the worker's own region", async () => {
    const state = await createRds().describeInstance(place);
    expect(state).toMatchObject({ status: 'available', parameterGroup: 'shop-pg', engine: 'postgres' });
    expect(state.endpoint?.port).toBe(5432);
    const probe = checked(schema, createRdsParameterProbe({ rds: createRds() }));
    expect(await takeSample(probe, { ...place, name: 'max_connections' })).toMatchObject({
      kind: 'sample',
      value: { configured: 100, effective: 100 },
    });
  });

  it('reboots, and an instance or group that is not there is named', async () => {
    const rds = createRds();
    await rds.reboot(place);
    await expect(rds.describeInstance({ instance: 'nothing' })).rejects.toThrow(
      /RDS instance nothing was not found/,
    );
    await expect(rds.readParameter({ ...place, parameterGroup: 'nothing' }, 'a')).rejects.toThrow(
      /RDS parameter group nothing was not found/,
    );
  });
});
