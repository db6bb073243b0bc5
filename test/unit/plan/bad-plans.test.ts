/** The catalogue of plans that are wrong in ways nobody means: one message each, at its place, and nothing of a plan. */
import { describe, expect, it } from 'vitest';
import type { FaultCode } from '../../../src/plan/faults.js';
import { parsePlan } from '../../../src/plan/parse.js';

const PLAN = `apiVersion: headgate/v1
application: shop
version: v1
deadline: 2h
vars: { wait: 5m, replicas: 3, strict: true }
notify:
  - { webhook: { url: "https://example.com/hook" }, when: [outcome] }
probes:
  healthy:
    http: { url: "\${release:url}/healthz", method: GET, headers: { x-who: headgate } }
    expect: { path: status, equals: 200 }
  logged: { logs: { pattern: "ready" }, expect: { path: count, gte: 1 } }
stages:
  - name: production
    steps:
      - config: { ssh: { host: app, port: 22, file: /app/.env }, set: { POOL: 50 } }
      - approval: { timeout: 24h, approvals: 1 }
      - run: { command: [migrate, up], undo: [migrate, down] }
      - loadTest: { script: load/peak.js, expect: { metric: checks, path: rate, gte: 0.99 } }
      - deploy:
          command: { status: [a], promote: [a], logs: [a] }
          strategy: immediate
          afterPromotion: [healthy, logged]
      - monitor: { for: "\${var:wait}", probes: [healthy], minimumCoverage: 0.9 }
`;

const parse = (text: string, overrides: Record<string, string> = {}) =>
  parsePlan({ text, file: 'rollout.yaml', overrides });

/** Replaces a part of the plan that is right. */
const put =
  (before: string, after: string) =>
  (text: string): string => {
    expect(text, 'the plan has it').toContain(before);
    return text.replace(before, () => after);
  };
const deadline = (value: string) => put('deadline: 2h', `deadline: ${value}`);
const application = (value: string) => put('application: shop', `application: ${value}`);
const version = (value: string) => put('version: v1\n', `version: ${value}\n`);
const script = (value: string) => put('load/peak.js', value);
const url = (value: string) => put('"${release:url}/healthz"', value);

interface Expected {
  code: FaultCode;
  line?: number;
  column?: number;
  path?: string;
  fix?: string | RegExp;
}

type Case = [what: string, change: (text: string) => string, expected: Expected];

const FILE: Case[] = [
  ['empty', () => '', { code: 'empty', line: 1 }],
  ['nothing but comments', () => '# later\n', { code: 'empty', line: 1 }],
  ['cut in a quoted text', (t) => t.slice(0, t.indexOf('/healthz')), { code: 'syntax' }],
  ['cut in a flow map', (t) => t.slice(0, t.indexOf(', method')), { code: 'syntax' }],
  ['indented by tabs', put('  healthy:\n', '\thealthy:\n'), { code: 'syntax', line: 9 }],
  ['a list', () => '- apiVersion: headgate/v1\n', { code: 'wrongType' }],
  ['a text', () => 'headgate/v1\n', { code: 'wrongType' }],
  ['HTML', () => '<!DOCTYPE html>\n<html><body>Sign in</body></html>\n', { code: 'wrongType' }],
  ['JSON that is cut off', () => '{"apiVersion":"headgate/v1","application":', { code: 'syntax' }],
  ['two documents', (t) => `${t}---\n${t}`, { code: 'syntax', line: 25, fix: /a file of its own/ }],
  [
    'bytes that are no UTF-8',
    application('sh\uFFFDp'),
    { code: 'syntax', line: 2, fix: 'Save it as UTF-8.' },
  ],
  ['UTF-16', (t) => t.replaceAll('', '\0'), { code: 'syntax', line: 1, fix: 'Save it as UTF-8.' }],
  ['ten megabytes', (t) => t + '#'.repeat(10 * 1024 * 1024), { code: 'syntax', fix: /payloads and scripts/ }],
  [
    'a hundred thousand steps',
    (t) => t + '      - approval: { timeout: 1h }\n'.repeat(7_000),
    { code: 'tooComplex', fix: /Write it out flat/ },
  ],
  [
    'sixty-five steps',
    (t) =>
      `${t}${Array.from({ length: 59 }, (_none, n) => `      - { id: a${n}, approval: { timeout: 1h } }\n`).join('')}`,
    { code: 'tooComplex', line: 83, fix: /several plans/ },
  ],
  [
    'a step that fills what an activity may be given',
    put('set: { POOL: 50 }', `set: { POOL: "${'é'.repeat(3_000)}" }`),
    { code: 'tooComplex', line: 16, fix: /Divide it/ },
  ],
  ['ten thousand levels of lists', () => '['.repeat(10_000), { code: 'tooComplex' }],
  ['ten thousand levels of maps', () => '{a: '.repeat(10_000), { code: 'tooComplex' }],
  ['ten thousand levels of dashes', () => '- '.repeat(10_000), { code: 'tooComplex' }],
  [
    'six hundred levels of blocks',
    () => Array.from({ length: 600 }, (_none, depth) => `${' '.repeat(depth)}a:\n`).join(''),
    { code: 'tooComplex', line: 52 },
  ],
  [
    'forty thousand keys',
    () => Array.from({ length: 20_000 }, (_none, n) => `k${n}: 1\n`).join(''),
    { code: 'tooComplex' },
  ],
  ['ten thousand equal keys', (t) => t + 'deadline: 2h\n'.repeat(10_000), { code: 'duplicateKey', line: 25 }],
  ['an alias of itself', () => 'a: &a [*a]\n', { code: 'tooComplex' }],
  ['an alias of nothing', deadline('*none'), { code: 'syntax', line: 4 }],
];

const KEYS: Case[] = [
  [
    'a key twice',
    put('version: v1\n', 'version: v1\nversion: v2\n'),
    { code: 'duplicateKey', line: 4, path: 'version' },
  ],
  [
    'a key twice in a flow map',
    put('{ POOL: 50 }', '{ POOL: 50, POOL: 500 }'),
    { code: 'duplicateKey', line: 16 },
  ],
  [
    'a key twice, once in quotes',
    put('deadline: 2h', 'deadline: 2h\n"deadline": 9h'),
    { code: 'duplicateKey', line: 5 },
  ],
  ['a merge key', put('deadline: 2h', '<<: { deadline: 2h }'), { code: 'unknownKey', line: 4 }],
  ['a map as a key', put('deadline: 2h', '{ a: b }: 2h'), { code: 'badKey', line: 4 }],
  ['a list as a key', put('deadline: 2h', '[a]: 2h'), { code: 'badKey', line: 4 }],
  ['null as a key', put('deadline: 2h', '~: 2h'), { code: 'badKey', line: 4 }],
  ['an empty key', put('deadline: 2h', '"": 2h'), { code: 'badKey', line: 4 }],
  [
    '__proto__',
    put('deadline: 2h', '__proto__: { deadline: 1ms }'),
    { code: 'badKey', line: 4, path: '__proto__' },
  ],
  ['__proto__ as a variable', put('wait: 5m', '__proto__: 5m, wait: 5m'), { code: 'badKey', line: 5 }],
  ['constructor', put('deadline: 2h', 'constructor: { prototype: 1 }'), { code: 'unknownKey', line: 4 }],
  ['toString as a kind', put('- run: {', '- toString: {'), { code: 'unknownKey', line: 18 }],
  [
    'a key with a reference',
    put('{ POOL: 50 }', '{ "${var:wait}": 50 }'),
    { code: 'badReference', line: 16 },
  ],
  ['a number as a key', put('deadline: 2h', '7: 2h'), { code: 'unknownKey', line: 4, path: '["7"]' }],
  [
    'a look-alike',
    put('deadline: 2h', 'dеadline: 2h'),
    { code: 'unknownKey', line: 4, fix: 'Did you mean "deadline"?' },
  ],
  ['a variable with a space', put('wait: 5m', '"my wait": 1m, wait: 5m'), { code: 'badName', line: 5 }],
];

const TAGS: Case[] = [
  ['!!js/function', deadline('!!js/function "() => 1"'), { code: 'syntax', line: 4, fix: /Remove the tag/ }],
  ['!!python/object', deadline('!!python/object/apply:os.system ["id"]'), { code: 'syntax', line: 4 }],
  ['!!binary', deadline('!!binary "aGk="'), { code: 'syntax', line: 4 }],
  ['!!set', put('[healthy, logged]', '!!set { healthy, logged }'), { code: 'syntax', line: 23 }],
  ['a tag of its own', deadline('!deadline 2h'), { code: 'syntax', line: 4 }],
  ['a directive', (t) => `%FOO bar\n---\n${t}`, { code: 'syntax', line: 1, fix: /Remove the line/ }],
];

const SCALARS: Case[] = [
  ['NaN as a figure', put('gte: 0.99', 'gte: .nan'), { code: 'badNumber', line: 19 }],
  ['infinity as a figure', put('gte: 0.99', 'gte: -.inf'), { code: 'badNumber', line: 19 }],
  ['1e999', put('equals: 200', 'equals: 1e999'), { code: 'badNumber', line: 11 }],
  [
    'more digits than a number keeps',
    version('99999999999999999999'),
    { code: 'badNumber', line: 3, fix: /quotes/ },
  ],
  ['no deadline', deadline(''), { code: 'wrongType', line: 4 }],
  ['a negative duration', deadline('-2h'), { code: 'badDuration', line: 4, column: 11 }],
  ['a duration of nothing', deadline('0s'), { code: 'badDuration', line: 4 }],
  ['a duration of three centuries', deadline('3000000h'), { code: 'badDuration', line: 4 }],
  ['a duration without a unit', deadline('120'), { code: 'wrongType', line: 4, fix: /quotes/ }],
  ['a duration in YAML 1.1 sexagesimal', deadline('2:00:00'), { code: 'badDuration', line: 4 }],
  ['a fraction of hours', deadline('1.5h'), { code: 'badDuration', line: 4 }],
  ['null in words', deadline('null'), { code: 'wrongType', line: 4 }],
  [
    'yes where true is meant',
    put('approvals: 1', 'approvals: 1, notInitiator: yes'),
    { code: 'wrongType', line: 17 },
  ],
  ['no as an application', application('~'), { code: 'wrongType', line: 2 }],
  ['a version that YAML makes a number', version('1.0'), { code: 'wrongType', line: 3, fix: /quotes/ }],
  ['an octal version', version('0o17'), { code: 'wrongType', line: 3, fix: /quotes/ }],
  ['a negative count', put('approvals: 1', 'approvals: -1'), { code: 'outOfRange', line: 17 }],
  ['half an approval', put('approvals: 1', 'approvals: 0.5'), { code: 'wrongType', line: 17 }],
  ['a billion approvals', put('approvals: 1', 'approvals: 1000000000'), { code: 'outOfRange', line: 17 }],
  ['port 0', put('port: 22', 'port: 0'), { code: 'outOfRange', line: 16 }],
  ['port 65536', put('port: 22', 'port: 65536'), { code: 'outOfRange', line: 16 }],
  ['a port as a text', put('port: 22', 'port: "22; id"'), { code: 'wrongType', line: 16 }],
  [
    'more than all samples',
    put('minimumCoverage: 0.9', 'minimumCoverage: 95'),
    { code: 'outOfRange', line: 24 },
  ],
  ['no samples', put('minimumCoverage: 0.9', 'minimumCoverage: 0'), { code: 'outOfRange', line: 24 }],
  ['a pattern that is none', put('"ready"', '"(ready"'), { code: 'badPattern', line: 12 }],
];

const NAMES: Case[] = [
  ['a slash', application('a/b'), { code: 'badName', line: 2, column: 14 }],
  ['two dots', application('a..b'), { code: 'badName', line: 2 }],
  ['a way up', application('../../etc'), { code: 'badName', line: 2 }],
  ['a line break', application('"shop\\nrollout.yaml:1:1 fault"'), { code: 'badName', line: 2 }],
  ['a NUL', application('"shop\\0"'), { code: 'badName', line: 2 }],
  ['an escape of the terminal', application('"\\e[2Jshop"'), { code: 'badName', line: 2 }],
  ['writing turned round', application('"\\u202eshop"'), { code: 'badName', line: 2 }],
  ['a letter that is not seen', application('"sh\\u200bop"'), { code: 'badName', line: 2 }],
  ['a Cyrillic o', application('shоp'), { code: 'badName', line: 2 }],
  ['half a sign', application('"\\ud83d"'), { code: 'badName', line: 2 }],
  ['a thousand letters', application('s'.repeat(1_000)), { code: 'badName', line: 2 }],
  ['a command', application('"$(touch x)"'), { code: 'badName', line: 2 }],
  ['a command as a version', version('"`touch x`"'), { code: 'badName', line: 3 }],
  ['a command as a stage', put('name: production', 'name: "a; touch x"'), { code: 'badName', line: 14 }],
  ['a command as a step', put('- run:', '- id: "a|b"\n        run:'), { code: 'badName', line: 18 }],
];

const PATHS: Case[] = [
  ['up', script('../peak.js'), { code: 'badPath', line: 19, path: 'stages[0].steps[3].loadTest.script' }],
  ['up in the middle', script('load/../../peak.js'), { code: 'badPath', line: 19 }],
  ['up, as Windows has it', script("'load\\..\\..\\peak.js'"), { code: 'badPath', line: 19 }],
  ['absolute', script('/etc/passwd'), { code: 'badPath', line: 19 }],
  ['a drive', script('"C:/peak.js"'), { code: 'badPath', line: 19 }],
  ['empty', script('""'), { code: 'badPath', line: 19 }],
  ['a NUL', script('"peak.js\\0.txt"'), { code: 'badPath', line: 19 }],
  ['a line break', script('"peak.js\\n/etc/passwd"'), { code: 'badPath', line: 19 }],
  ['a reference', script('"${env:HOME}/peak.js"'), { code: 'badPath', line: 19 }],
  ['five thousand letters', script('a'.repeat(5_000)), { code: 'badPath', line: 19 }],
];

const ADDRESSES: Case[] = [
  ['file://', url('file:///etc/passwd'), { code: 'badUrl', line: 10 }],
  ['javascript:', url('"javascript:alert(1)"'), { code: 'badUrl', line: 10 }],
  ['ftp://', url('ftp://example.com/x'), { code: 'badUrl', line: 10 }],
  ['no scheme', url('example.com/healthz'), { code: 'badUrl', line: 10 }],
  ['no host', url('"http://"'), { code: 'badUrl', line: 10 }],
  ['a port that is none', url('"http://example.com:99999/"'), { code: 'badUrl', line: 10 }],
  [
    'a webhook that is a file',
    put('"https://example.com/hook"', 'file:///tmp/x'),
    { code: 'badUrl', line: 7 },
  ],
];

const REFERENCES: Case[] = [
  ['never closed', url('"${release:url/healthz"'), { code: 'badReference', line: 10, fix: /Close it/ }],
  ['of no kind', url('"${file:/etc/passwd}"'), { code: 'badReference', line: 10 }],
  ['nested', url('"${env:${var:wait}}"'), { code: 'badReference', line: 10 }],
  ['with a path', url('"${env:../X}"'), { code: 'badReference', line: 10 }],
  ['empty', url('"${}"'), { code: 'badReference', line: 10 }],
  ['to the prototype', url('"http://a/${var:constructor}"'), { code: 'unknownVariable', line: 10 }],
  ['of a variable in a variable', put('wait: 5m', 'wait: "${var:wait}"'), { code: 'badReference', line: 5 }],
  [
    'of a secret as an argument',
    put('[migrate, up]', '[migrate, "${env:TOKEN}"]'),
    { code: 'secretArgument', line: 18 },
  ],
  [
    'where it has to be known before',
    put('timeout: 24h', 'timeout: "${env:WAIT}"'),
    { code: 'badDuration', line: 17 },
  ],
];

describe.each([
  ['a file that is', FILE],
  ['a key:', KEYS],
  ['a tag:', TAGS],
  ['a value:', SCALARS],
  ['a name with', NAMES],
  ['a path that is', PATHS],
  ['an address with', ADDRESSES],
  ['a reference:', REFERENCES],
])('%s', (_what, cases) => {
  it.each(cases)('%s', (_case, change, { code, fix, ...place }) => {
    const startedAt = performance.now();
    const { faults, draft } = parse(change(PLAN));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(faults.map((fault) => fault.message)).toHaveLength(1);
    expect(faults[0]).toMatchObject({ file: 'rollout.yaml', code, ...place });
    const [fault] = faults;
    if (!fault) return;
    const { message, expected, fix: advice, found = '', line, column } = fault;
    for (const text of [message, expected, advice]) expect(text).toMatch(/^.{3,1001}$/u);
    expect(`${message}${expected}${advice}${found}`).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]|undefined|\[object/u);
    expect([line > 0, column > 0]).toEqual([true, true]);
    if (typeof fix === 'string') expect(advice).toBe(fix);
    else if (fix) expect(advice).toMatch(fix);
    expect(draft).toBeUndefined();
  });
});

it('the plan of the catalogue is right', () => {
  expect(parse(PLAN)).toMatchObject({ faults: [] });
});

it.each([
  ['lines that end in CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
  ['a byte order mark', (text: string) => `\uFEFF${text}`],
  ['both', (text: string) => `\uFEFF${text.replaceAll('\n', '\r\n')}`],
  ['a line of ---', (text: string) => `---\n${text}`],
  ['spaces at the end of lines', (text: string) => text.replaceAll('\n', '  \n')],
  ['no line break at the end', (text: string) => text.trimEnd()],
])('%s: the same plan', (_what, change) => {
  expect(parse(change(PLAN)).faults).toEqual([]);
  expect(parse(change(PLAN)).draft).toEqual(parse(PLAN).draft);
});

it('a fault after a byte order mark and CRLF is where it stands', () => {
  const text = `\uFEFF${deadline('soon')(PLAN).replaceAll('\n', '\r\n')}`;
  expect(parse(text).faults).toMatchObject([{ code: 'badDuration', line: 4, column: 11 }]);
});

it('a bomb of aliases is refused in no time and without memory', () => {
  const lines = Array.from('bcdefghij', (name, index) => {
    const before = 'abcdefghi'.charAt(index);
    return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
  });
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]', ...lines].join('\n');
  const [startedAt, before] = [performance.now(), process.memoryUsage().heapUsed];
  const { faults } = parse(bomb);
  expect(performance.now() - startedAt).toBeLessThan(500);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50 * 1024 * 1024);
  expect(faults).toMatchObject([{ code: 'tooComplex' }]);
});

it('nothing of a plan reaches the prototype of all objects', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    parse(put('{ POOL: 50 }', `{ POOL: 50, ${key}: { polluted: 1 } }`)(PLAN));
    parse(put('wait: 5m', `wait: 5m, ${key}: polluted`)(PLAN), { [key]: 'polluted' });
  }
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
});

it.each([
  ['of a variable that there is not', { wiat: '1m' }, { code: 'badOverride', fix: 'Did you mean "wait"?' }],
  ['of the prototype', { constructor: '1m' }, { code: 'badOverride' }],
  ['of another type', { replicas: 'many' }, { code: 'badOverride', expected: 'a number' }],
  ['that is no number', { replicas: 'NaN' }, { code: 'badOverride', expected: 'a number' }],
  ['that is no finite number', { replicas: '1e999' }, { code: 'badOverride', expected: 'a number' }],
  ['that is neither true nor false', { strict: 'yes' }, { code: 'badOverride', expected: 'true or false' }],
  ['with a reference to a variable', { wait: '${var:wait}' }, { code: 'badReference' }],
  ['with a reference that is never closed', { wait: '${env:' }, { code: 'badReference' }],
  ['that makes the plan wrong', { wait: 'soon' }, { code: 'badDuration', line: 24 }],
])('--var %s: one fault', (_what, overrides, expected) => {
  const text = PLAN.replace('equals: 200', 'equals: "${var:replicas}"');
  expect(parse(text, overrides).faults).toMatchObject([expected]);
});

it('a plan that grows too large by its variables is refused before it is started', () => {
  const long = `body: "\${var:long}"`;
  const steps = Array.from({ length: 300 }, () => '      - check: { probes: [healthy] }\n').join('');
  const text = put('method: GET', `method: POST, ${long}`)(PLAN) + steps;
  const { faults } = parse(text.replace('wait: 5m', `wait: 5m, long: ${'x'.repeat(8_000)}`));
  expect(faults).toMatchObject([
    { code: 'tooComplex', message: expect.stringMatching(/too large to be started/) },
  ]);
});

it('several faults: all at once, each once, in the order of the file', () => {
  const changes = [
    application('a/b'),
    deadline('soon'),
    url('file:///x'),
    put('port: 22', 'port: 0'),
    script('../a.js'),
    put('{ POOL: 50 }', '{ POOL: 1, POOL: 2 }'),
  ];
  const { faults } = parse(changes.reduce((text, change) => change(text), PLAN));
  expect(faults.map(({ line, code }) => `${line} ${code}`)).toEqual([
    ...['2 badName', '4 badDuration', '10 badUrl', '16 outOfRange', '16 duplicateKey', '19 badPath'],
  ]);
});
