/** How many alarms of CloudWatch are in ALARM. */
import type { Probe } from '../probe.js';
import { readInTime } from '../reading.js';
import type { Config } from './schema.js';

/** The part of CloudWatch that this probe needs: all alarms of a prefix. Rejects when it cannot tell. */
export interface AlarmReader {
  listAlarms(
    query: { prefix: string; region?: string },
    signal: AbortSignal,
  ): Promise<{ name: string; state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA' }[]>;
}

export interface CloudWatchAlarmsProbeDeps {
  cloudwatch: AlarmReader;
}

const MOST_NAMES = 10;

/**
 * Sample: `{ alarming, insufficient, total, names }`; `names` are of alarms in ALARM. A prefix that no alarm has is
 * `inconclusive`: nothing watches there.
 */
export function createCloudWatchAlarmsProbe({ cloudwatch }: CloudWatchAlarmsProbeDeps): Probe<Config> {
  return {
    kind: 'cloudwatchAlarms',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, ...limits }) {
      const read = await readInTime(limits, (end) => cloudwatch.listAlarms(config, end));
      if (read.kind !== 'read') return read;
      const alarms = read.value;
      if (alarms.length === 0) {
        const message = `no alarm's name begins with "${config.prefix}"; check prefix and region`;
        return { kind: 'inconclusive', message };
      }
      const alarming = alarms.filter(({ state }) => state === 'ALARM').map(({ name }) => name);
      const value = {
        alarming: alarming.length,
        insufficient: alarms.filter(({ state }) => state === 'INSUFFICIENT_DATA').length,
        total: alarms.length,
        names: alarming.sort().slice(0, MOST_NAMES),
      };
      return { kind: 'sample', value };
    },
  };
}
