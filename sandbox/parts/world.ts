/**
 * What happens on AWS by itself: CloudWatch learns every second how many connections each database has, and the
 * alarms are set by what is there, since moto never evaluates them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CloudWatchClient,
  type MetricDatum,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import type { RunningPostgres } from './postgres.js';
import type { AwsAccess } from './secrets.js';

const EVERY_MS = 1_000;
const HOUR_MINUTES = 60;
const MINUTE_MS = 60_000;
const ALARMING_PART = 0.9;
const NAMESPACE = 'AWS/RDS';

export interface WatchedDatabase {
  /** Of the RDS instance; its alarms bear the name too. */
  identifier: string;
  database: Pick<RunningPostgres, 'query'>;
  hasAlarms: boolean;
}

export interface WorldOptions {
  aws: AwsAccess;
  databases: WatchedDatabase[];
  log: (line: string) => void;
}

export interface RunningWorld {
  stop(): Promise<void>;
}

/** Resolves when the first figures and the alarms are there. */
export async function startWorld({ aws, databases, log }: WorldOptions): Promise<RunningWorld> {
  const { endpoint, region, ...credentials } = aws;
  const client = new CloudWatchClient({ endpoint, region, credentials });
  const abort = new AbortController();
  const watches = databases.map((database) => new DatabaseWatch(client, database));
  const turn = async () => {
    for (const watch of watches) await watch.publish();
  };
  for (const watch of watches) await watch.publishPast();
  await turn();
  const ended = repeat(turn, abort.signal, log);
  return {
    stop: async () => {
      abort.abort();
      await ended;
      client.destroy();
    },
  };
}

async function repeat(
  turn: () => Promise<void>,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await turn().catch((error: unknown) =>
      log(`world: ${error instanceof Error ? error.message : String(error)}`),
    );
  }
}

interface Load {
  connections: number;
  most: number;
}

class DatabaseWatch {
  readonly #client: CloudWatchClient;
  readonly #watched: WatchedDatabase;
  /** Of the alarm, as it was last set. */
  #limit: number | undefined;
  #alarming: boolean | undefined;

  constructor(client: CloudWatchClient, watched: WatchedDatabase) {
    this.#client = client;
    this.#watched = watched;
  }

  /**
   * The hour before: CloudWatch's periods of five minutes are complete from the first rollout on. As many connections
   * as there are now: an idle application's.
   */
  async publishPast(): Promise<void> {
    const { connections } = await this.#measure();
    const now = Date.now();
    const data = Array.from({ length: HOUR_MINUTES }, (_, minute) =>
      this.#datum(connections, new Date(now - (minute + 1) * MINUTE_MS)),
    );
    await this.#client.send(new PutMetricDataCommand({ Namespace: NAMESPACE, MetricData: data }));
  }

  /** A database that is down has no figure: CloudWatch has a gap then, as in real life. */
  async publish(): Promise<void> {
    const load = await this.#measure().catch(() => undefined);
    if (!load) return;
    await this.#client.send(
      new PutMetricDataCommand({
        Namespace: NAMESPACE,
        MetricData: [this.#datum(load.connections, new Date())],
      }),
    );
    if (this.#watched.hasAlarms) await this.#setAlarms(load);
  }

  #datum(connections: number, at: Date): MetricDatum {
    return {
      MetricName: 'DatabaseConnections',
      Dimensions: this.#dimensions(),
      Value: connections,
      Unit: 'Count',
      Timestamp: at,
      StorageResolution: 1,
    };
  }

  async #measure(): Promise<Load> {
    const [row] = await this.#watched.database.query(`
      select current_setting('max_connections')::int as most,
        (select count(*)::int from pg_stat_activity where datname = 'bookings') as connections`);
    return { connections: Number(row?.connections), most: Number(row?.most) };
  }

  async #setAlarms({ connections, most }: Load): Promise<void> {
    const limit = most * ALARMING_PART;
    if (limit !== this.#limit) {
      await this.#putAlarm('connections', 'DatabaseConnections', limit);
      if (this.#limit === undefined) await this.#putAlarm('cpu', 'CPUUtilization', 80);
      this.#limit = limit;
      this.#alarming = undefined;
    }
    const alarming = connections > limit;
    if (alarming === this.#alarming) return;
    await this.#setState('connections', alarming, `${connections} connections, the limit is ${limit}`);
    this.#alarming = alarming;
  }

  async #putAlarm(name: string, metric: string, threshold: number): Promise<void> {
    await this.#client.send(
      new PutMetricAlarmCommand({
        AlarmName: this.#alarmName(name),
        Namespace: NAMESPACE,
        MetricName: metric,
        Dimensions: this.#dimensions(),
        Statistic: 'Maximum',
        Period: 10,
        EvaluationPeriods: 1,
        Threshold: threshold,
        ComparisonOperator: 'GreaterThanThreshold',
      }),
    );
    await this.#setState(name, false, 'nothing has been measured yet');
  }

  async #setState(name: string, alarming: boolean, reason: string): Promise<void> {
    await this.#client.send(
      new SetAlarmStateCommand({
        AlarmName: this.#alarmName(name),
        StateValue: alarming ? 'ALARM' : 'OK',
        StateReason: reason,
      }),
    );
  }

  #alarmName(name: string): string {
    return `${this.#watched.identifier}-${name}`;
  }

  #dimensions() {
    return [{ Name: 'DBInstanceIdentifier', Value: this.#watched.identifier }];
  }
}
