/** Words for made-up plans: text that YAML takes for something else, names, paths, durations. */
import fc from 'fast-check';
import type { Json } from '../../src/plan/resolved.js';

export type JsonMap = { [key: string]: Json };

/** Text that a careless printer or reader would take for something else. */
const TRICKY = [
  ...[
    'true',
    'False',
    'null',
    '~',
    'yes',
    'NO',
    '1',
    '-1',
    '1.0',
    '1e3',
    '0x1F',
    '0o17',
    '.5',
    '.inf',
    '.nan',
  ],
  ...[
    '-',
    '- a',
    '? a',
    ': b',
    'a: b',
    'a #b',
    '# c',
    '&x',
    '*x',
    '!t',
    '!!str 1',
    '|',
    '>',
    '%YAML',
    '@a',
    '`a`',
  ],
  ...[
    ' lead',
    'trail ',
    '\ttab',
    'two\nlines',
    'end\n',
    '\n',
    'a\n\n  b\n',
    'a\r\nb',
    'a\rb',
    '---',
    '...',
    '<<',
    '=',
  ],
  ...[
    "it's",
    '"quoted"',
    '\\',
    '\\n',
    '{a: 1}',
    '[1, 2]',
    'a, b',
    '2026-01-16',
    '12:30',
    '0b1',
    '1_000',
    'é',
    '😀',
  ],
  ...[
    '\u2028',
    '\u0085',
    '\uFEFFbom',
    '\uFFFD',
    '\0',
    '\x1b[31m',
    '\uD800',
    'x'.repeat(1_200),
    'word '.repeat(60),
  ],
];
const REFERENCES = [
  '${env:TOKEN}',
  'a ${rollout:version} b',
  '${secret:app/x#KEY}',
  '${rollout:id}',
  '${var:common}',
  '$${var:common}',
];

const isPlain = (text: string) => !text.includes('${');
const noise = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter(isPlain);

/** Any text but the empty one, without references. */
export const words = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...TRICKY) },
  { weight: 1, arbitrary: noise },
);
export const text = fc.oneof(
  { weight: 4, arbitrary: words },
  { weight: 1, arbitrary: fc.constantFrom(...REFERENCES) },
);
export const name = fc.oneof(
  fc.constantFrom(
    'app',
    '1.0',
    'true',
    'null',
    '1e3',
    '0x10',
    '-',
    '_',
    '.',
    'A-b_c.d',
    'constructor',
    'toString',
  ),
  fc.stringMatching(/^[A-Za-z0-9._-]{1,12}$/).filter((each) => !each.includes('..') && each !== '__proto__'),
);
export const key = fc.oneof(
  words.filter((each) => each !== '__proto__'),
  fc.constantFrom('DB_POOL', 'constructor', 'length'),
);
export const path = fc.constantFrom(
  'a.tf',
  'a b/c',
  'true',
  '1',
  'ü/x.json',
  '- x',
  '#',
  'xx: y',
  './a',
  '{b}',
);
export const duration = fc.constantFrom(
  '1ms',
  '250ms',
  '1s',
  '90s',
  '5m',
  '60m',
  '1h30m',
  '1h1m1s1ms',
  '12h',
  '3600s',
);
export const scalar = fc.oneof(
  text,
  fc.boolean(),
  fc.constantFrom(0, -0, 1, -1.5, 1e-7, 1e15, 0.1, 2 ** 53 - 1),
);
export const argv = fc.array(fc.oneof(words, fc.constant('')), { minLength: 1, maxLength: 3 });
export const url = fc.constantFrom(
  'http://a.example:80/x?y=1#z',
  'https://b.example',
  '${env:URL}',
  '${release:url}/healthz',
);

export function some<Value>(arbitrary: fc.Arbitrary<Value>) {
  return fc.option(arbitrary, { nil: undefined });
}

export function mapOf(value: fc.Arbitrary<Json>, minKeys = 0): fc.Arbitrary<JsonMap> {
  return fc.dictionary(key, value, { minKeys, maxKeys: 3, noNullPrototype: true });
}

/** The keys in any order, and without those that are left out. */
export function shape(fields: { [field: string]: fc.Arbitrary<Json | undefined> }): fc.Arbitrary<JsonMap> {
  return fc.record(fields, { noNullPrototype: true }).map((all) => {
    const entries = Object.entries(all).filter((entry): entry is [string, Json] => entry[1] !== undefined);
    return Object.fromEntries(entries);
  });
}

/** JSON is YAML; every character above ASCII is escaped, so that nothing is left to the reader of the file. */
export function toJsonText(document: Json): string {
  return JSON.stringify(document).replaceAll(/[\x7F-\uFFFF]/g, escapeCharacter);
}

export function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
