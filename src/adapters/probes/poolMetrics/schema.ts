import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: httpUrl('The endpoint of the pool metrics.'),
    bearer: text('Sent as Authorization: Bearer …')
      .meta({ examples: ['${env:ADMIN_TOKEN}'] })
      .optional(),
  })
  .describe(
    'Connection-pool metrics of the application. Sample: pool.active, total, limit, idle, utilization (percent), waiting, timeoutsTotal; config; slowQueries.',
  );

export type Config = z.infer<typeof schema>;
