/** What Prometheus scrapes: how many requests, how they ended, how long they took. Of business only, not of probes. */
import { Counter, Histogram, Registry } from 'prom-client';

const BUCKETS_SECONDS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5];

export interface RequestMetrics {
  count(status: number, seconds: number): void;
  /** Text exposition format. */
  expose(): Promise<{ contentType: string; text: string }>;
}

export function createRequestMetrics(release: string): RequestMetrics {
  const registry = new Registry();
  registry.setDefaultLabels({ release });
  const registers = [registry];
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests by status.',
    labelNames: ['code'],
    registers,
  });
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to the answer.',
    buckets: BUCKETS_SECONDS,
    registers,
  });
  // A series that begins with its first error would make a rate of errors without evidence before.
  for (const code of ['200', '500', '503']) requests.inc({ code }, 0);
  return {
    count(status, seconds) {
      requests.inc({ code: String(status) });
      durations.observe(seconds);
    },
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
