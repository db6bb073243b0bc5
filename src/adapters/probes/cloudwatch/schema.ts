import { z } from 'zod';
import { metricName, metricPeriod, region } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    metric: metricName('Namespace and name.'),
    dimensions: z
      .record(z.string().min(1), z.string())
      .optional()
      .describe('All dimensions of the metric: CloudWatch knows it by every one of them.'),
    statistic: z.enum(['Average', 'Maximum', 'Minimum', 'Sum', 'SampleCount']).describe('Over each period.'),
    period: metricPeriod('Length of one datum.'),
    region: region().optional(),
  })
  .describe(
    'A CloudWatch metric over its newest complete period. Sample: value, at, unit, periodMs. Late data is waited for, not read as zero.',
  );

export type Config = z.infer<typeof schema>;
