import { expect, it } from 'vitest';
import { readValue } from '../../../src/adapters/probes/rdsParameter/values.js';
import type { Json } from '../../../src/plan/resolved.js';

it.each<[string, Json]>([
  ['100', 100],
  ['0', 0],
  ['-1', -1],
  ['0.75', 0.75],
  ['999999999999999', 999_999_999_999_999],
  ['9999999999999999999', '9999999999999999999'],
  ['0022', '0022'],
  ['1e3', '1e3'],
  ['true', true],
  ['on', 'on'],
  ['pg_stat_statements,auto_explain', 'pg_stat_statements,auto_explain'],
])('%s is plain', (text, value) => {
  expect(readValue(text)).toEqual({ kind: 'plain', value });
});

it.each([
  ['LEAST({DBInstanceClassMemory/9531392},5000)', /formula: LEAST/],
  ['{DBInstanceClassMemory*3/4}', /formula/],
  ['', /the engine decides/],
  [undefined, /the engine decides/],
])('%s is unknown', (text, why) => {
  expect(readValue(text)).toEqual({ kind: 'unknown', why: expect.stringMatching(why) });
});
