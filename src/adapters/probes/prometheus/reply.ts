/** What an instant query of Prometheus answers, as one figure or the reason why it is none. Pure. */
import { z } from 'zod';
import type { Json } from '../../../plan/resolved.js';
import type { NoSample } from '../endpoint.js';
import type { Sample } from '../probe.js';

/** https://prometheus.io/docs/prometheus/latest/querying/api/: seconds since the epoch, and the figure as text. */
const point = z.tuple([z.number(), z.string()]);
const notes = z.array(z.string()).optional();

const success = z.object({
  status: z.literal('success'),
  data: z.object({ resultType: z.string(), result: z.json() }),
  warnings: notes,
});
const series = z.object({ metric: z.record(z.string(), z.string()), value: point });
const failure = z.object({ status: z.literal('error'), errorType: z.string(), error: z.string() });

/** Prometheus' own words about what is wrong, or `undefined`. */
export function readFailure(body: Json | undefined): string | undefined {
  const failed = failure.safeParse(body).data;
  return failed && `${failed.errorType}: ${failed.error}`;
}

/** Exactly one figure is a sample; none, several, and one that is no finite number are `inconclusive`. */
export function readResult(body: Json | undefined): Sample {
  const reply = success.safeParse(body).data;
  if (!reply) return inconclusive('the answer is none of the Prometheus API; is "url" the server?');
  const { resultType, result } = reply.data;
  if (resultType === 'scalar') {
    const scalar = point.safeParse(result).data;
    return scalar ? readPoint(scalar, {}, reply.warnings) : inconclusive('the scalar cannot be read');
  }
  if (resultType !== 'vector' || !Array.isArray(result)) {
    const advice = 'a query has to give one value, such as sum(rate(…[5m]))';
    return inconclusive(`the query gives a ${resultType}; ${advice}`);
  }
  if (result.length === 0)
    return inconclusive('the query gives nothing: no series matches, or it has no data');
  if (result.length > 1) {
    const advice = 'make one of them: sum(…), max(…), or more labels';
    return inconclusive(`the query gives ${result.length} series; ${advice}`);
  }
  const one = series.safeParse(result[0]).data;
  if (!one)
    return inconclusive('the query gives a histogram; take a figure of it: histogram_quantile(0.95, …)');
  return readPoint(one.value, one.metric, reply.warnings);
}

function readPoint(
  [seconds, text]: z.infer<typeof point>,
  labels: Record<string, string>,
  warnings: string[] | undefined,
): Sample {
  const value = Number(text);
  // 0/0 is what a ratio without traffic gives.
  if (text.trim() === '' || !Number.isFinite(value))
    return inconclusive(`the query gives ${text}, no number`);
  const time = new Date(seconds * 1000);
  if (Number.isNaN(time.getTime())) return inconclusive(`the query is of no time that there is (${seconds})`);
  const at = time.toISOString();
  const figure = { value, labels, at };
  return { kind: 'sample', value: warnings && warnings.length > 0 ? { ...figure, warnings } : figure };
}

function inconclusive(message: string): NoSample {
  return { kind: 'inconclusive', message };
}
