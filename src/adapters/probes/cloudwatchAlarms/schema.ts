import { z } from 'zod';
import { region, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    prefix: text('Alarms whose names begin so.').meta({ examples: ['shop-prod-'] }),
    region: region().optional(),
  })
  .describe(
    'CloudWatch alarms. Sample: alarming (how many are in ALARM), insufficient (how many lack data), total, names (up to ten in ALARM).',
  );

export type Config = z.infer<typeof schema>;
