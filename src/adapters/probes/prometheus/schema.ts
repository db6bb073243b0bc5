import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: httpUrl('The Prometheus server.'),
    query: text('PromQL that gives one value.'),
    bearer: text('Sent as Authorization: Bearer …')
      .meta({ examples: ['${env:PROMETHEUS_TOKEN}'] })
      .optional(),
  })
  .describe('One Prometheus query. Sample: value.');
