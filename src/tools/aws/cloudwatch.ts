/** Amazon CloudWatch: figures of a metric by period, and the state of alarms. */
import {
  CloudWatchClient,
  type Datapoint,
  DescribeAlarmsCommand,
  GetMetricStatisticsCommand,
} from '@aws-sdk/client-cloudwatch';
import { type AwsOptions, clientsByRegion } from './clients.js';
import { type AwsAnswer, describeAwsError, requireAws } from './errors.js';
import { nextPage } from './pages.js';

export type MetricStatistic = 'Average' | 'Maximum' | 'Minimum' | 'Sum' | 'SampleCount';

export interface MetricQuery {
  /** Default: that of the worker's AWS configuration. */
  region?: string;
  namespace: string;
  name: string;
  dimensions: Record<string, string>;
  statistic: MetricStatistic;
  periodMs: number;
  /** Epoch ms; periods begin here and every `periodMs` later. */
  fromMs: number;
  /** Epoch ms, exclusive. */
  untilMs: number;
}

export interface MetricDatum {
  /** Epoch ms; when its period began. */
  atMs: number;
  value: number;
  unit: string;
}

export interface AlarmState {
  name: string;
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
}

/**
 * @throws of every method: the signal's reason; ApplicationFailure `Invalid` with details `[{ reason }]` (`denied`,
 * `unconfigured`, `rejected`) where repeating does not help; a plain Error where it does (throttled, unreachable)
 */
export interface CloudWatch {
  /** Newest first. A period without data has no datum; a metric that was collected in several units has one for each. */
  readMetric(query: MetricQuery, signal: AbortSignal): Promise<MetricDatum[]>;
  /** Metric, composite and log alarms whose names begin with `prefix`. */
  listAlarms(query: { prefix: string; region?: string }, signal: AbortSignal): Promise<AlarmState[]>;
}

const ADVICE = { missing: 'Check its name and region.', denied: 'Extend its policy.' };

/** The most that CloudWatch gives at once. */
const PAGE = 100;

export function createCloudWatch(options: AwsOptions = {}): CloudWatch {
  const clientOf = clientsByRegion((config) => new CloudWatchClient(config), options);
  return {
    async readMetric(query, signal) {
      const { namespace, name, statistic } = query;
      const found = await call(`Metric ${namespace}/${name}`, signal, () =>
        clientOf(query.region).send(statisticsOf(query), { abortSignal: signal }),
      );
      const data = (found.Datapoints ?? []).flatMap((datum) => describeDatum(datum, statistic));
      return data.sort((a, b) => b.atMs - a.atMs);
    },

    async listAlarms({ prefix, region }, signal) {
      const alarms: AlarmState[] = [];
      const pages = new Set<string>();
      let token: string | undefined;
      do {
        const command = new DescribeAlarmsCommand({
          AlarmNamePrefix: prefix,
          // Without it only metric alarms are given.
          AlarmTypes: ['MetricAlarm', 'CompositeAlarm', 'LogAlarm'],
          MaxRecords: PAGE,
          NextToken: token,
        });
        const page = await call(`Alarms ${prefix}*`, signal, () =>
          clientOf(region).send(command, { abortSignal: signal }),
        );
        for (const { AlarmName: name, StateValue: state } of [
          ...(page.MetricAlarms ?? []),
          ...(page.CompositeAlarms ?? []),
          ...(page.LogAlarms ?? []),
        ]) {
          alarms.push(describeAlarm(prefix, name, state));
        }
        token = nextPage(page.NextToken, pages);
      } while (token);
      return alarms;
    },
  };
}

function statisticsOf(query: MetricQuery): GetMetricStatisticsCommand {
  return new GetMetricStatisticsCommand({
    Namespace: query.namespace,
    MetricName: query.name,
    Dimensions: Object.entries(query.dimensions).map(([Name, Value]) => ({ Name, Value })),
    Statistics: [query.statistic],
    Period: query.periodMs / 1000,
    StartTime: new Date(query.fromMs),
    EndTime: new Date(query.untilMs),
  });
}

function describeDatum(datum: Datapoint, statistic: MetricStatistic): MetricDatum[] {
  const value = datum[statistic];
  const atMs = datum.Timestamp?.getTime();
  if (value === undefined || atMs === undefined) return [];
  if (Number.isNaN(atMs)) throw new Error('CloudWatch gives a datum of no time that there is.');
  return [{ atMs, value, unit: datum.Unit ?? 'None' }];
}

const STATES: readonly string[] = ['OK', 'ALARM', 'INSUFFICIENT_DATA'] satisfies AlarmState['state'][];

/** One whose state nobody knows must not pass for one that is quiet. */
function describeAlarm(prefix: string, name?: string, state?: AlarmState['state']): AlarmState {
  if (name !== undefined && state !== undefined && STATES.includes(state)) return { name, state };
  throw new Error(`Alarms ${prefix}*: CloudWatch tells no state of ${name ?? 'an alarm without a name'}.`);
}

async function call<Answer extends AwsAnswer>(
  what: string,
  signal: AbortSignal,
  send: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return requireAws(await send());
  } catch (error) {
    signal.throwIfAborted();
    throw describeAwsError(error, what, ADVICE);
  }
}
