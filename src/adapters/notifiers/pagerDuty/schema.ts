import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    routingKey: text('An integration key, as a reference.').meta({ examples: ['${env:PAGERDUTY_KEY}'] }),
  })
  .describe('An event of PagerDuty.');
