/** JSON that counts as evidence: whole, and without a key that stands twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEvidence } from '../../../src/platform/json.js';

describe('is read', () => {
  it.each([
    '{}',
    '[]',
    'null',
    '"a"',
    '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
    '{"a":"\\"b\\":","b":"{"}',
    ' { "a" : [ "a" , "a" ] } ',
    '{"a\\\\":1,"a":2}',
  ])('%s', (text) => {
    expect(parseEvidence(text)).toEqual(JSON.parse(text));
  });

  it('whatever JavaScript writes', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(parseEvidence(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

describe('is none', () => {
  it.each([
    '',
    '{"a":1',
    '{"a":1}x',
    '{"a":1,"a":1}',
    '{"a":1, "b":2, "a" : 3}',
    '{"b":[1,{"a":1,"c":{},"a":2}]}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1,"__proto__":2}',
    '{"a":{"x":1},"b":{},"a":{}}',
  ])('%s', (text) => {
    expect(parseEvidence(text)).toBeUndefined();
  });
});

it('a megabyte is read in no time', () => {
  const text = JSON.stringify(
    Array.from({ length: 20_000 }, (_none, n) => ({ name: `n${n}`, value: '"'.repeat(10) })),
  );
  const startedAt = performance.now();
  expect(parseEvidence(text)).toHaveLength(20_000);
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});
