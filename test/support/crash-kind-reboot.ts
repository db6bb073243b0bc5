/** `reboot` of an RDS instance behind which a real PostgreSQL is restarted. */
import { ModifyDBParameterGroupCommand, RDSClient } from '@aws-sdk/client-rds';
import { expect } from 'vitest';
import type { Fact, Subject, World } from './crash-kind.js';
import { type FaultProxy, type HttpFault, startFaultProxy } from './fault-proxy.js';
import { INSTANCE, startLocalRds } from './sandbox-rds.js';

interface RebootSeen {
  /** In force, by SQL. */
  maxConnections: number;
  otherParameter: string;
  pending: number;
  /** Times that RDS was asked to. */
  reboots: number;
}

interface RebootWorld extends World<RebootSeen> {
  proxy: FaultProxy;
}

export const reboot: Subject<RebootWorld> = {
  name: 'reboot',
  acts: ['rebootInstance'],

  async open() {
    const rds = await startLocalRds({ max_connections: '20', max_worker_processes: '6' });
    const proxy = await startFaultProxy(rds.endpoint);
    await setMaxConnections(rds.endpoint, '40');
    return {
      proxy,
      env: {
        AWS_ENDPOINT_URL_RDS: proxy.url,
        DATABASE_URL: rds.databaseUrl,
        HEADGATE_ALLOWED_REFERENCES: 'DATABASE_URL',
      },
      probes: {
        maxConnections: {
          rdsParameter: { instance: INSTANCE, name: 'max_connections', region: 'us-east-1' },
          expect: { path: 'effective', equals: 40 },
        },
        database: {
          postgres: { url: '${env:DATABASE_URL}', query: 'select 1 as n' },
          expect: { path: 'rows.0.n', equals: 1 },
        },
      },
      steps: [
        {
          reboot: {
            rdsInstance: INSTANCE,
            region: 'us-east-1',
            maxOutage: '5m',
            verify: ['maxConnections', 'database'],
          },
        },
      ],
      async read() {
        const [row] = await rds.query(
          `select current_setting('max_connections')::int as n, current_setting('max_worker_processes') as other,
             (select count(*)::int from pg_settings where pending_restart) as pending`,
        );
        const actions = await rds.actions();
        return {
          maxConnections: Number(row?.n),
          otherParameter: String(row?.other),
          pending: Number(row?.pending),
          reboots: actions.filter((action) => action === 'RebootDBInstance').length,
        };
      },
      expectPromoted(before, after) {
        expect(before).toMatchObject({ maxConnections: 20, pending: 1, reboots: 0 });
        expect(after).toEqual({ ...before, maxConnections: 40, pending: 0, reboots: 1 });
      },
      async close() {
        await proxy.close();
        await rds.stop();
      },
    };
  },

  during: [
    diesAt('RDS is about to be asked', 'cut before forwarding'),
    diesAt('RDS has been asked', 'cut after forwarding'),
  ],
  undo: 'a restart cannot be taken back and is kept',
};

async function setMaxConnections(endpoint: string, value: string): Promise<void> {
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const client = new RDSClient({ endpoint, region: 'us-east-1', credentials });
  const parameter = { ParameterName: 'max_connections', ParameterValue: value };
  const Parameters = [{ ...parameter, ApplyMethod: 'pending-reboot' as const }];
  await client.send(new ModifyDBParameterGroupCommand({ DBParameterGroupName: INSTANCE, Parameters }));
  client.destroy();
}

function diesAt(name: string, fault: HttpFault): Fact<RebootWorld> {
  return {
    name,
    arm({ world: { proxy }, kill }) {
      const match = ({ target }: { target: string }) => target === 'RebootDBInstance';
      proxy.rules.push({ match, times: 1, fault, onMatch: kill });
    },
  };
}
