import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  holds,
  NotAnObjectError,
  readMembers,
  removeMember,
  setMember,
} from '../../../src/tools/aws/json-text.js';

const awkward = `{
  "float": 1.0, "huge" : 1e400,
  "long": 12345678901234567890123,
  "unicode": "caf\\u00e9 \\/ \\"}{",
  "nested": { "a": [1, { "b": "]}" }], "float": 2.50 },
  "DB_CONNECTION_LIMIT":"20"
}
`;

describe('setMember', () => {
  it('changes the bytes of one value and no other', () => {
    expect(setMember(awkward, 'DB_CONNECTION_LIMIT', '"50"')).toBe(awkward.replace('"20"', '"50"'));
    expect(setMember(awkward, 'huge', '"x"')).toBe(awkward.replace('1e400', '"x"'));
    expect(setMember(awkward, 'nested', '"x"')).toBe(awkward.replace(/\{ "a".*2\.50 \}/, '"x"'));
  });

  it('adds a new key at the end, spaced as its neighbours are', () => {
    expect(setMember(awkward, 'DB_POOL_TIMEOUT', '"30"')).toBe(
      awkward.replace('"20"\n', '"20",\n  "DB_POOL_TIMEOUT":"30"\n'),
    );
    expect(setMember('{"a":1}', 'b', '"2"')).toBe('{"a":1,"b":"2"}');
    expect(setMember('{"a": 1, "b": 2}', 'c', '"3"')).toBe('{"a": 1, "b": 2, "c": "3"}');
    expect(setMember('{}', 'a', '"1"')).toBe('{"a":"1"}');
    expect(setMember(' { } ', 'a', '"1"')).toBe(' {"a":"1" } ');
  });

  it('sets the occurrence that counts', () => {
    expect(setMember('{"a":"1","a":"2"}', 'a', '"3"')).toBe('{"a":"1","a":"3"}');
  });

  it('finds a key that is written with escapes', () => {
    expect(setMember('{"\\u0061": 1}', 'a', '"2"')).toBe('{"\\u0061": "2"}');
  });
});

describe('removeMember', () => {
  it.each([
    ['{"a":1,"b":2,"c":3}', 'b', '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', 'a', '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', 'c', '{"a":1,"b":2}'],
    ['{ "a": 1 }', 'a', '{  }'],
    ['{"a":1,"b":2,"a":3}', 'a', '{"b":2}'],
    ['{"b":2}', 'a', '{"b":2}'],
  ])('%s without %s', (text, key, expected) => {
    expect(removeMember(text, key)).toBe(expected);
  });
});

describe('for every JSON object', () => {
  const anyObject = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 8 });
  const anySpacing = fc.constantFrom(undefined, 1, 2, '\t');

  it('setting a key keeps the raw value of every other and reads back', () => {
    fc.assert(
      fc.property(anyObject, anySpacing, fc.string(), fc.string(), (object, spacing, key, value) => {
        const text = JSON.stringify(object, null, spacing);
        const edited = setMember(text, key, JSON.stringify(value));
        const before = readMembers(text);
        const after = readMembers(edited);
        expect(holds(after.get(key), value)).toBe(true);
        before.delete(key);
        after.delete(key);
        expect([...after]).toEqual([...before]);
      }),
    );
  });

  it('a key that was added and removed leaves the text as it was', () => {
    fc.assert(
      fc.property(anyObject, anySpacing, fc.string(), (object, spacing, key) => {
        fc.pre(!Object.hasOwn(object, key) && Object.keys(object).length > 0);
        const text = JSON.stringify(object, null, spacing);
        expect(removeMember(setMember(text, key, '"x"'), key)).toBe(text);
      }),
    );
  });

  it('agrees with the parser', () => {
    fc.assert(
      fc.property(anyObject, anySpacing, (object, spacing) => {
        const members = readMembers(JSON.stringify(object, null, spacing));
        const parsed = Object.fromEntries([...members].map(([key, raw]) => [key, JSON.parse(raw)]));
        expect(JSON.stringify(parsed)).toBe(JSON.stringify(object));
      }),
    );
  });
});

it.each(['', 'plain text canary', '[1]', '"text"', 'null', '7', '{"a":1,}'])('%j is no object', (text) => {
  expect(() => readMembers(text)).toThrow(NotAnObjectError);
  expect(() => readMembers(text)).not.toThrow(/canary/);
});
