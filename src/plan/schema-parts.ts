/** Parts that several schemas share. */
import { z } from 'zod';
import { delay, duration, regularExpression, text } from './scalars.js';

/**
 * An object whose kind is the one key out of `kinds` that it has. That it has exactly one is for the lint to say:
 * a union would answer every mistake with "no branch fits".
 */
export function asChoice<Shape extends z.ZodType>(title: string, schema: Shape, kinds: string[]): Shape {
  return schema.meta({ title, oneOf: kinds.map((kind) => ({ required: [kind] })) });
}

const AGGREGATES = ['p50', 'p90', 'p95', 'p99', 'max', 'min', 'mean', 'sum', 'last'] as const;

export const CONDITIONS = ['lt', 'lte', 'gt', 'gte', 'equals', 'matches', 'absent'] as const;

export const expectationSchema = z
  .strictObject({
    metric: text('Name of the k6 metric; for load tests only.')
      .meta({ examples: ['http_req_duration'] })
      .optional(),
    path: text('Where in the sample the value is.').meta({
      examples: ['status', 'pool.limit', 'rows.0.n', 'p(95)'],
    }),
    aggregate: z
      .enum(AGGREGATES)
      .optional()
      .describe('Judges the samples taken so far, at most the newest 60, instead of the newest one.'),
    lt: z.number().optional().describe('Less than.'),
    lte: z.number().optional().describe('At most.'),
    gt: z.number().optional().describe('Greater than.'),
    gte: z.number().optional().describe('At least.'),
    equals: z
      .union([z.string(), z.number(), z.boolean(), z.null()])
      .optional()
      .describe('The same value, of the same type.'),
    matches: regularExpression('Matches the regular expression.').optional(),
    absent: z.literal(true).optional().describe('The value is not there, but what it would be part of is.'),
  })
  .meta({ title: 'expectation', description: 'One value and its conditions, which all have to hold.' });

export function expectations(description: string) {
  return z.union([expectationSchema, z.array(expectationSchema).min(1)]).describe(description);
}

const limit = (description: string) => z.int().min(0).optional().describe(description);

export const LIMITS = {
  interval: duration('Time from one measurement to the next.').optional(),
  initialDelay: delay('Time before the first measurement.').optional(),
  failureLimit: limit('So many failed measurements are tolerated.'),
  consecutiveFailureLimit: limit('So many failed measurements in a row are tolerated.'),
  inconclusiveLimit: limit('So many inconclusive measurements are tolerated.'),
  consecutiveErrorLimit: limit('So many measurements in a row may go wrong by themselves; 4 when left out.'),
};

const probeUse = z.union([
  z.string().min(1),
  z
    .strictObject({ probe: z.string().min(1).describe('Name of a probe of this plan.'), ...LIMITS })
    .meta({ title: 'probe use' }),
]);

/** Names of probes, or names with limits of their own. */
export function probeUses(description: string) {
  return z.array(probeUse).describe(description);
}
