/** Queries at a real Prometheus that scrapes a little exporter; what cannot be provoked there, at a server that says it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPrometheusProbe } from '../../src/adapters/probes/prometheus/index.js';
import { schema } from '../../src/adapters/probes/prometheus/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { describeProbe } from '../support/describe-probe.js';
import { closedAddress, type LocalServer, serve } from '../support/http-server.js';
import { type Prometheus, prometheusIsMissing, startPrometheus } from '../support/prometheus.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';

const probe = checked(schema, createPrometheusProbe());

/** What an application of the document's kind shows. */
function writeMetrics(scrapes: number): string {
  const buckets = [0.1, 0.4, 1].map(
    (le) => `http_request_duration_seconds_bucket{app="shop",le="${le}"} ${scrapes * 10}`,
  );
  return [
    '# TYPE shop_connections gauge',
    'shop_connections{pool="main"} 42',
    '# TYPE http_requests_total counter',
    `http_requests_total{app="shop",code="200"} ${scrapes * 100}`,
    `http_requests_total{app="shop",code="503"} ${scrapes}`,
    '# TYPE http_request_duration_seconds histogram',
    ...buckets,
    `http_request_duration_seconds_bucket{app="shop",le="+Inf"} ${scrapes * 10}`,
    `http_request_duration_seconds_sum{app="shop"} ${scrapes}`,
    `http_request_duration_seconds_count{app="shop"} ${scrapes * 10}`,
    '',
  ].join('\n');
}

describe.skipIf(prometheusIsMissing())('at a real Prometheus', () => {
  let exporter: LocalServer;
  let prometheus: Prometheus;
  let scrapes = 0;
  beforeAll(async () => {
    exporter = await serve((_request, response) => {
      scrapes += 1;
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(writeMetrics(scrapes));
    });
    prometheus = await startPrometheus(exporter.url);
    await prometheus.waitFor('rate(http_requests_total{code="503"}[1m]) > 0');
  });
  afterAll(async () => {
    await prometheus?.stop();
    await exporter?.close();
  });

  const ask = (query: string) => takeSample(probe, { url: prometheus.url, query });

  it('a series is a figure with its labels and its time', async () => {
    const from = Date.now() - 1_000;
    const found = await ask('shop_connections');
    expect(found).toMatchObject({
      kind: 'sample',
      value: { value: 42, labels: { __name__: 'shop_connections', pool: 'main', job: 'shop' } },
    });
    const at = found.kind === 'sample' && typeof found.value === 'object' ? found.value : {};
    expect(Date.parse(String(Object(at).at))).toBeGreaterThan(from);
    expect(found).not.toHaveProperty('value.warnings');
  });

  it.each([
    ['scalar(shop_connections)', 42],
    ['1 + 1', 2],
    ['sum(shop_connections) / 2', 21],
    ['count(ALERTS{alertstate="firing",app="shop"}) or vector(0)', 0],
  ])('%s is %d', async (query, value) => {
    expect(await ask(query)).toMatchObject({ kind: 'sample', value: { value, labels: {} } });
  });

  it("the plan's own queries give one figure each", async () => {
    const share = await ask(
      'sum(rate(http_requests_total{app="shop",code=~"5.."}[5m])) / sum(rate(http_requests_total{app="shop"}[5m]))',
    );
    expect(share).toMatchObject({ kind: 'sample', value: { value: expect.closeTo(1 / 101, 5) } });
    const p95 = await ask(
      'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{app="shop"}[5m])))',
    );
    expect(p95).toMatchObject({ kind: 'sample', value: { value: expect.closeTo(0.095, 5) } });
  });

  it.each([
    ['nothing', 'no_such_metric', /^the query gives nothing/],
    ['several series', 'http_requests_total', /^the query gives 2 series; make one of them: sum/],
    ['a ratio without traffic', '0 / 0', /^the query gives NaN, no number/],
    ['infinity', '1 / 0', /^the query gives \+Inf, no number/],
    ['a range', 'shop_connections[1m]', /^the query gives a matrix; a query has to give one value/],
    ['a text', '"text"', /^the query gives a string/],
  ])('%s is inconclusive', async (_what, query, message) => {
    expect(await ask(query)).toEqual({
      kind: 'inconclusive',
      message: expect.stringMatching(message),
    });
  });

  it('a query with a mistake is an error in the words of Prometheus', async () => {
    expect(await ask('sum(shop_connections')).toMatchObject({
      kind: 'error',
      message: expect.stringMatching(/^Prometheus says bad_data: .*parse error/),
    });
  });

  it('a query longer than an address may be is asked', async () => {
    const query = Array.from({ length: 2_000 }, () => 'scalar(shop_connections)').join(' + ');
    expect(query.length).toBeGreaterThan(50_000);
    expect(await ask(query)).toMatchObject({ value: { value: 84_000 } });
  });

  describeProbe('prometheus', async () => {
    const silent = await serve(() => {});
    return {
      probe,
      subject: subjectOf('/'),
      good: {
        config: { url: prometheus.url, query: 'shop_connections' },
        expect: [{ path: 'value', lt: 50 }],
      },
      bad: {
        'no such series': { url: prometheus.url, query: 'no_such_metric' },
        'a mistake': { url: prometheus.url, query: 'sum(' },
        'no such server': { url: await closedAddress(), query: 'up' },
        'the exporter instead of the server': { url: exporter.url, query: 'up' },
      },
      hanging: { url: silent.url, query: 'up' },
      close: () => silent.close(),
    };
  });
});

describe('what stands before a Prometheus', () => {
  it('gets a form by POST under the path of the address, with the token and how long the answer is waited for', async () => {
    const seen: unknown[] = [];
    const server = await serve(({ method, url, headers }, response, body) => {
      seen.push({
        method,
        url,
        type: headers['content-type'],
        authorization: headers.authorization,
        form: Object.fromEntries(new URLSearchParams(body)),
      });
      const data = { resultType: 'scalar', result: [1_768_565_000.5, '1'] };
      response.end(JSON.stringify({ status: 'success', data }));
    });
    try {
      const found = await takeSample(
        probe,
        { url: `${server.url}/prometheus/`, query: 'up', bearer: 'a-token' },
        { timeoutMs: 2_500 },
      );
      expect(found).toEqual({
        kind: 'sample',
        value: { value: 1, labels: {}, at: '2026-01-16T12:03:20.500Z' },
      });
      expect(seen).toEqual([
        {
          method: 'POST',
          url: '/prometheus/api/v1/query',
          type: 'application/x-www-form-urlencoded',
          authorization: 'Bearer a-token',
          form: { query: 'up', timeout: '2500ms' },
        },
      ]);
    } finally {
      await server.close();
    }
  });

  it.each([
    [503, '<html>', 'error', /status 503, expected 200; the server, or what stands before it, is in trouble/],
    [
      503,
      '{"status":"error","errorType":"timeout","error":"query timed out"}',
      'error',
      /says timeout: query timed out/,
    ],
    [
      422,
      '{"status":"error","errorType":"execution","error":"too many samples"}',
      'error',
      /says execution: too many/,
    ],
    [401, 'Unauthorized', 'error', /the token in "bearer" is missing, wrong or lacks the right/],
    [404, 'page not found', 'error', /check the path in "url"/],
    [302, '', 'error', /status 302, expected 200; check "url"/],
    [200, '<html>', 'inconclusive', /none of the Prometheus API; is "url" the server/],
    [200, '', 'inconclusive', /none of the Prometheus API/],
    [200, `"${'x'.repeat(1024 * 1024)}"`, 'inconclusive', /longer than 1 MiB/],
  ])('%i %.30s is no figure', async (status, body, kind, message) => {
    const server = await serve((_request, response) => response.writeHead(status).end(body));
    try {
      const found = await takeSample(probe, { url: server.url, query: 'up' });
      expect(found).toEqual({ kind, message: expect.stringMatching(message) });
    } finally {
      await server.close();
    }
  });
});
