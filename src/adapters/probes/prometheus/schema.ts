import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: httpUrl(
      'The Prometheus server, or what speaks its API (Thanos, Mimir), with the path it is under.',
    ).meta({ examples: ['http://monitoring.example.com:9090'] }),
    query: text('PromQL that gives one value.').meta({
      examples: ['sum(rate(http_requests_total{code=~"5.."}[5m]))'],
    }),
    bearer: text('Sent as Authorization: Bearer …')
      .meta({ examples: ['${env:PROMETHEUS_TOKEN}'] })
      .optional(),
  })
  .describe('One Prometheus query. Sample: value, labels, at, warnings.');

export type Config = z.infer<typeof schema>;
