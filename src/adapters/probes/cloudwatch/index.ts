/** One figure of a CloudWatch metric: its newest complete period that has one. */
import { formatDuration, parseDuration } from '../../../plan/duration.js';
import type { NoSample } from '../endpoint.js';
import type { Probe, Sample, SampleRequest } from '../probe.js';
import { readInTime } from '../reading.js';
import { freshSpan, longSpan, type Span } from './periods.js';
import type { Config } from './schema.js';

interface MetricQuery extends Span {
  region?: string;
  namespace: string;
  name: string;
  dimensions: Record<string, string>;
  statistic: Config['statistic'];
  periodMs: number;
}

interface Datum {
  atMs: number;
  value: number;
  unit: string;
}

/** The part of CloudWatch that this probe needs: newest first. Rejects when it cannot tell; `message` says why. */
export interface MetricReader {
  readMetric(query: MetricQuery, signal: AbortSignal): Promise<Datum[]>;
}

export interface CloudWatchProbeDeps {
  cloudwatch: MetricReader;
  /** Epoch ms. */
  now: () => number;
}

/**
 * Sample: `{ value, at, unit, periodMs }`; `at` is when the period began. A metric without a fresh datum is
 * `inconclusive`, never zero: the figure may be late, or the metric misspelt.
 */
export function createCloudWatchProbe({ cloudwatch, now }: CloudWatchProbeDeps): Probe<Config> {
  return {
    kind: 'cloudwatch',
    writes: () => false,
    inForcePaths: () => [],
    async sample(request) {
      const metric = describeMetric(request);
      const nowMs = now();
      const read = await readInTime(request, async (end) => {
        const fresh = await cloudwatch.readMetric({ ...metric, ...freshSpan(metric.periodMs, nowMs) }, end);
        if (fresh.length > 0) return { fresh, older: [] };
        const older = await cloudwatch.readMetric({ ...metric, ...longSpan(metric.periodMs, nowMs) }, end);
        return { fresh, older };
      });
      if (read.kind !== 'read') return read;
      const { fresh, older } = read.value;
      return choose(metric, fresh) ?? describeGap(metric, older[0], nowMs);
    },
  };
}

type Metric = Omit<MetricQuery, keyof Span>;

function describeMetric({ config }: SampleRequest<Config>): Metric {
  const slash = config.metric.lastIndexOf('/');
  return {
    region: config.region,
    namespace: config.metric.slice(0, slash),
    name: config.metric.slice(slash + 1),
    dimensions: config.dimensions ?? {},
    statistic: config.statistic,
    periodMs: parseDuration(config.period) ?? Number.NaN,
  };
}

function choose(metric: Metric, [newest, second]: Datum[]): Sample | undefined {
  if (!newest) return undefined;
  const { atMs, value, unit } = newest;
  if (second?.atMs === atMs) {
    const message = `${nameOf(metric)} was collected as ${unit} and as ${second.unit}: there is no telling which is meant`;
    return { kind: 'inconclusive', message };
  }
  const at = new Date(atMs).toISOString();
  return { kind: 'sample', value: { value, at, unit, periodMs: metric.periodMs } };
}

function describeGap(metric: Metric, last: Datum | undefined, nowMs: number): NoSample {
  const name = nameOf(metric);
  if (last) {
    const since = new Date(last.atMs + metric.periodMs).toISOString();
    return { kind: 'inconclusive', message: `${name} has no datum since ${since}` };
  }
  const { fromMs, untilMs } = longSpan(metric.periodMs, nowMs);
  const back = formatDuration(untilMs - fromMs);
  const advice = 'check the names, every dimension, and the region';
  return { kind: 'inconclusive', message: `${name} has no datum in the last ${back}; ${advice}` };
}

function nameOf({ namespace, name, dimensions, region }: Metric): string {
  const named = Object.entries(dimensions).map(([key, value]) => `${key}=${value}`);
  const place = region === undefined ? '' : ` in ${region}`;
  return `${namespace}/${name}${named.length > 0 ? ` {${named.join(', ')}}` : ''}${place}`;
}
