import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    routingKey: text(
      'The integration key of a service (Events API v2), as a reference. Keys of a ruleset take no change events.',
    ).meta({ examples: ['${env:PAGERDUTY_KEY}'] }),
    url: httpUrl('Of the service region; https://events.pagerduty.com without it.')
      .meta({ examples: ['https://events.eu.pagerduty.com'] })
      .optional(),
  })
  .describe(
    'Incidents of PagerDuty: one is open for as long as the rollout needs somebody. The rest are change events, which page nobody.',
  );

export type Config = z.infer<typeof schema>;
