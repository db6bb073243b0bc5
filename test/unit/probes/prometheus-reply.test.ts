import { expect, it } from 'vitest';
import { readFailure, readResult } from '../../../src/adapters/probes/prometheus/reply.js';
import type { Json } from '../../../src/plan/resolved.js';

const vector = (result: Json, rest: { [key: string]: Json } = {}): Json => ({
  status: 'success',
  data: { resultType: 'vector', result },
  ...rest,
});
const AT = 1_768_565_000;

it('what Prometheus warns of stays with the figure', () => {
  const body = vector([{ metric: { a: 'b' }, value: [AT, '0.5'] }], { warnings: ['partial response'] });
  expect(readResult(body)).toEqual({
    kind: 'sample',
    value: { value: 0.5, labels: { a: 'b' }, at: '2026-01-16T12:03:20.000Z', warnings: ['partial response'] },
  });
});

it('a native histogram is not one figure', () => {
  const histogram = [{ metric: {}, histogram: [AT, { count: '3', sum: '1', buckets: [] }] }];
  expect(readResult(vector(histogram))).toMatchObject({
    kind: 'inconclusive',
    message: expect.stringContaining('histogram_quantile'),
  });
});

it.each<[string, Json | undefined]>([
  ['no JSON', undefined],
  ['a list', []],
  ['another API', { ok: true }],
  ['no result', { status: 'success', data: { resultType: 'vector' } }],
  ['a scalar that is none', { status: 'success', data: { resultType: 'scalar', result: 'x' } }],
  ['a point without a figure', vector([{ metric: {}, value: [AT] }])],
  ['a figure that is a number', vector([{ metric: {}, value: [AT, 1] }])],
  ['an empty figure', vector([{ metric: {}, value: [AT, ''] }])],
])('%s is inconclusive', (_what, body) => {
  expect(readResult(body).kind).toBe('inconclusive');
  expect(readFailure(body)).toBeUndefined();
});

it('an error is told by its sort and text', () => {
  expect(readFailure({ status: 'error', errorType: 'bad_data', error: 'parse error' })).toBe(
    'bad_data: parse error',
  );
});
