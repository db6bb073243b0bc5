/** A parameter of a database that waits for a restart. What is restarted is kept, whatever becomes of the rollout. */
import { ModifyDBParameterGroupCommand, RDSClient } from '@aws-sdk/client-rds';
import { INSTANCE } from '../../test/support/sandbox-rds.js';
import type { Ground, Item, Seen } from './item.js';

const VALUES = ['40', '44'] as const;

export async function openReboot({ rds }: Ground, stage: string): Promise<Item> {
  const inForce = async () => {
    const [row] = await rds.query("select current_setting('max_connections') as n");
    return String(row?.n);
  };
  const before = await inForce();
  const target = VALUES.find((value) => value !== before) ?? VALUES[0];
  const client = new RDSClient({
    endpoint: rds.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
  });
  const parameter = { ParameterName: 'max_connections', ParameterValue: target };
  const Parameters = [{ ...parameter, ApplyMethod: 'pending-reboot' as const }];
  await client.send(new ModifyDBParameterGroupCommand({ DBParameterGroupName: INSTANCE, Parameters }));
  client.destroy();
  return {
    step: `${stage}/reboot`,
    config: {
      reboot: {
        rdsInstance: INSTANCE,
        region: 'us-east-1',
        maxOutage: '1m',
        verify: ['database'],
        probeTimeout: '15s',
        probeInterval: '300ms',
      },
    },
    async look(): Promise<Seen> {
      const now = await inForce();
      const standing = now === target ? 'target' : now === before ? 'before' : 'broken';
      return { standing, isAsBefore: now === before, what: `max_connections ${now}, wanted ${target}` };
    },
  };
}
