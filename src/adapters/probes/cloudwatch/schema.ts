import { z } from 'zod';
import { duration, region, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    metric: text('Namespace and name.').meta({ examples: ['AWS/RDS/DatabaseConnections'] }),
    dimensions: z.record(z.string().min(1), z.string()).optional().describe('Dimensions of the metric.'),
    statistic: z.enum(['Average', 'Maximum', 'Minimum', 'Sum', 'SampleCount']).describe('Over each period.'),
    period: duration('Length of one datum.'),
    region: region().optional(),
  })
  .describe('A CloudWatch metric. Sample: value. Late data is waited for, not read as zero.');
