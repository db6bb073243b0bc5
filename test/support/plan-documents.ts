/** Plan files by the thousand: every kind of step, probe, target and notifier, with words that YAML takes for others. */
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
const text = fc.oneof(
  { weight: 4, arbitrary: words },
  { weight: 1, arbitrary: fc.constantFrom(...REFERENCES) },
);
const name = fc.oneof(
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
const key = fc.oneof(
  words.filter((each) => each !== '__proto__'),
  fc.constantFrom('DB_POOL', 'constructor', 'length'),
);
const path = fc.constantFrom('a.tf', 'a b/c', 'true', '1', 'ü/x.json', '- x', '#', 'xx: y', './a', '{b}');
const duration = fc.constantFrom(
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
const scalar = fc.oneof(text, fc.boolean(), fc.constantFrom(0, -0, 1, -1.5, 1e-7, 1e15, 0.1, 2 ** 53 - 1));
const argv = fc.array(fc.oneof(words, fc.constant('')), { minLength: 1, maxLength: 3 });
const url = fc.constantFrom(
  'http://a.example:80/x?y=1#z',
  'https://b.example',
  '${env:URL}',
  '${release:url}/healthz',
);

function some<Value>(arbitrary: fc.Arbitrary<Value>) {
  return fc.option(arbitrary, { nil: undefined });
}

function mapOf(value: fc.Arbitrary<Json>, minKeys = 0): fc.Arbitrary<JsonMap> {
  return fc.dictionary(key, value, { minKeys, maxKeys: 3, noNullPrototype: true });
}

/** The keys in any order, and without those that are left out. */
function shape(fields: { [field: string]: fc.Arbitrary<Json | undefined> }): fc.Arbitrary<JsonMap> {
  return fc.record(fields, { noNullPrototype: true }).map((all) => {
    const entries = Object.entries(all).filter((entry): entry is [string, Json] => entry[1] !== undefined);
    return Object.fromEntries(entries);
  });
}

const condition = fc.oneof(
  shape({ equals: fc.oneof(scalar, fc.constant(null)) }),
  shape({ lt: fc.double({ noNaN: true, min: -1e12, max: 1e12 }), gte: some(fc.integer()) }),
  shape({ matches: fc.constantFrom('^a$', '\\bERROR\\b', '[:#]', 'a{1,2}') }),
  shape({ absent: fc.constant(true) }),
);
const expectation = (more: { [field: string]: fc.Arbitrary<Json | undefined> }) =>
  fc.tuple(shape({ path: words, ...more }), condition).map(([a, b]): JsonMap => ({ ...a, ...b }));
const listOrOne = (one: fc.Arbitrary<JsonMap>): fc.Arbitrary<Json> =>
  fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 }));
const aggregate = some(fc.constantFrom('p50', 'p95', 'max', 'sum', 'last'));
const expects = listOrOne(expectation({ aggregate }));
const figures = listOrOne(expectation({ metric: words }));

const { body } = fc.letrec<{ body: Json }>((tie) => ({
  body: fc.oneof(
    { maxDepth: 2 },
    fc.oneof(scalar, fc.constant(null)),
    fc.array(tie('body'), { maxLength: 3 }),
    fc.dictionary(key, tie('body'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const PROBES: { [kind: string]: fc.Arbitrary<JsonMap> } = {
  http: shape({
    method: some(fc.constantFrom('GET', 'POST')),
    url,
    headers: some(mapOf(text)),
    body: some(body),
    hmac: some(shape({ header: words, key: text })),
    bearer: some(text),
  }),
  poolMetrics: shape({ url, bearer: some(text) }),
  postgres: fc.oneof(
    shape({
      url: fc.constant('${env:DATABASE_URL}'),
      query: words,
      parameters: some(fc.array(scalar, { maxLength: 2 })),
    }),
    shape({ url: fc.constant('postgres://db.example/x'), preset: fc.constantFrom('activity', 'statements') }),
  ),
  logs: fc.oneof(
    shape({ pattern: fc.constant('\\d+: x'), file: text, follow: some(fc.boolean()) }),
    shape({ pattern: fc.constant('#'), command: argv, comparedTo: some(fc.constant('before')) }),
    shape({
      pattern: fc.constant('x'),
      compose: text,
      directory: some(text),
      ssh: some(shape({ host: text, port: some(fc.integer({ min: 1, max: 65_535 })) })),
    }),
  ),
  kubernetes: shape({
    context: some(text),
    namespace: text,
    deployment: text,
    release: some(fc.constant('${release:id}')),
    follow: some(fc.boolean()),
  }),
  cloudwatch: shape({
    metric: fc.constant('AWS/RDS/CPU'),
    dimensions: some(mapOf(text)),
    statistic: fc.constant('Maximum'),
    period: fc.constantFrom('10s', '1m', '60s'),
    region: some(text),
  }),
  cloudwatchAlarms: shape({ prefix: text, region: some(text) }),
  prometheus: shape({ url, query: text, bearer: some(text) }),
  rdsParameter: shape({ instance: text, name: text }),
  secretVersion: shape({ id: text }),
  version: shape({ url }),
  command: shape({ argv }),
};
export const PROBE_KINDS_MADE = Object.keys(PROBES);

const TARGETS: { [kind: string]: { config: fc.Arbitrary<JsonMap>; strategies: string[]; staged: string[] } } =
  {
    command: {
      config: shape({ status: argv, prepare: argv, promote: argv, restore: argv, restart: argv, logs: argv }),
      strategies: ['blueGreen', 'immediate'],
      staged: ['blueGreen', 'immediate'],
    },
    kubernetes: {
      config: shape({
        context: some(text),
        namespace: text,
        deployment: text,
        service: text,
        container: some(text),
        url,
      }),
      strategies: ['blueGreen', 'rolling'],
      staged: ['blueGreen'],
    },
    githubActions: {
      config: shape({
        repository: fc.constant('acme/shop'),
        workflow: words,
        inputs: some(mapOf(text)),
        live: shape({ url }),
        token: text,
        url,
      }),
      strategies: ['blueGreen', 'rolling', 'immediate'],
      staged: [],
    },
    dockerStack: {
      config: shape({ file: path, stack: text, env: some(mapOf(text)), url }),
      strategies: ['rolling', 'immediate'],
      staged: [],
    },
    ssh: {
      config: fc
        .tuple(
          shape({ host: text, user: some(text), directory: text, build: some(argv), url }),
          fc.oneof(shape({ pm2: text }), shape({ systemd: text }), shape({ compose: text })),
        )
        .map(([a, b]) => ({ ...a, ...b })),
      strategies: ['immediate'],
      staged: [],
    },
  };
const TELLS_ITS_LOG = ['command', 'kubernetes', 'ssh'];

const NOTIFIERS: fc.Arbitrary<JsonMap> = fc
  .tuple(
    fc.oneof(
      shape({ slack: fc.oneof(shape({ webhook: text }), shape({ token: text, channel: words })) }),
      shape({ webhook: shape({ url: fc.constant('https://hook.example') }) }),
      shape({ pagerDuty: shape({ routingKey: text }) }),
      shape({
        githubIssue: shape({
          repository: fc.constant('acme/shop'),
          token: text,
          labels: some(fc.array(words, { maxLength: 2 })),
        }),
      }),
    ),
    fc.uniqueArray(fc.constantFrom('started', 'approval', 'waiting', 'rollback', 'outcome'), {
      minLength: 1,
    }),
  )
  .map(([notifier, when]) => ({ ...notifier, when }));

interface Made {
  /** Names of probes that any step may use. */
  probes: string[];
  index: number;
}

const limits = {
  interval: some(fc.constantFrom('1s', '500ms')),
  initialDelay: some(fc.constantFrom('0s', '2s')),
  failureLimit: some(fc.integer({ min: 0, max: 9 })),
  consecutiveFailureLimit: some(fc.integer({ min: 0, max: 9 })),
  inconclusiveLimit: some(fc.integer({ min: 0, max: 9 })),
  consecutiveErrorLimit: some(fc.integer({ min: 0, max: 9 })),
};

function steps({ probes }: Made): { [kind: string]: fc.Arbitrary<JsonMap> } {
  const uses = (minLength: number) =>
    fc.subarray(probes, { minLength, maxLength: Math.min(3, probes.length) });
  const settings = mapOf(scalar, 1);
  return {
    config: fc.oneof(
      shape({ local: shape({ file: fc.constantFrom('/app/.env', '${env:FILE}') }), set: settings }),
      shape({
        ssh: shape({ host: text, user: some(text), port: some(fc.constant(22)), file: text }),
        set: settings,
      }),
    ),
    secret: shape({ awsSecretsManager: shape({ id: text, region: some(text) }), set: settings }),
    infra: fc
      .tuple(
        fc.constantFrom('terraform', 'tofu'),
        path,
        shape({
          backendConfig: some(mapOf(text)),
          varFiles: some(fc.array(path, { maxLength: 2 })),
          vars: some(mapOf(scalar)),
          targets: some(fc.array(words, { maxLength: 2 })),
          allow: some(fc.array(words, { maxLength: 2 })),
          undo: some(shape({ varFiles: some(fc.array(path, { maxLength: 2 })), vars: some(mapOf(scalar)) })),
          abortGrace: some(duration),
        }),
      )
      .map(([tool, folder, rest]) => ({ [tool]: folder, ...rest })),
    reboot: shape({
      rdsInstance: text,
      region: some(text),
      maxOutage: some(duration),
      verify: some(uses(0)),
      probeTimeout: some(duration),
    }),
    git: fc
      .tuple(
        shape({
          directory: fc.constantFrom('/work', '${env:CHECKOUT}'),
          remote: some(words),
          messageFile: path,
        }),
        fc.oneof(shape({ paths: fc.array(words, { minLength: 1, maxLength: 2 }) }), shape({ tag: words })),
      )
      .map(([a, b]) => ({ ...a, ...b })),
    check: shape({ probes: uses(1), timeout: some(duration), interval: some(duration) }),
    loadTest: shape({
      script: path,
      env: some(mapOf(scalar)),
      outputs: some(fc.constantFrom<Json>(['json'], [{ influxdb: 'http://influx.example/k6' }, 'json'], [])),
      timeout: some(duration),
      during: some(uses(0)),
      expect: figures,
    }),
    approval: fc.oneof(
      shape({ timeout: some(duration), approvals: some(fc.integer({ min: 1, max: 100 })) }),
      shape({
        identity: fc.constant('ssh'),
        approvers: some(fc.array(words, { minLength: 1, maxLength: 2 })),
        notInitiator: some(fc.boolean()),
      }),
    ),
    monitor: fc
      .tuple(
        shape({
          for: fc.constantFrom('1h', '90s'),
          ...limits,
          minimumCoverage: some(fc.double({ min: 0.01, max: 1, noNaN: true })),
          onInconclusive: some(fc.constantFrom('ask', 'rollback')),
        }),
        uses(1),
        fc.array(some(shape(limits)), { minLength: 3, maxLength: 3 }),
      )
      .map(([monitor, names, own]) => ({
        ...monitor,
        probes: names.map((probe, index) => (own[index] ? { probe, ...own[index] } : probe)),
      })),
    run: shape({ command: argv, undo: some(argv), verify: some(argv), timeout: some(duration) }),
  };
}

const NOT_REVERTED = (kind: string, config: JsonMap) =>
  kind === 'reboot' || ((kind === 'infra' || kind === 'run') && config.undo === undefined);

function step(kind: string, made: Made): fc.Arbitrary<JsonMap> {
  const config = kind === 'deploy' ? deploy(made) : steps(made)[kind];
  if (!config) throw new TypeError(`no step ${kind}`);
  return fc.tuple(config, some(fc.constantFrom('revert', 'keep', 'ask'))).map(([own, onRollback]) => {
    if (onRollback === undefined) return { [kind]: own };
    const allowed =
      kind === 'reboot' ? 'keep' : NOT_REVERTED(kind, own) && onRollback === 'revert' ? 'ask' : onRollback;
    return { onRollback: allowed, [kind]: own };
  });
}

function deploy({ probes }: Made): fc.Arbitrary<JsonMap> {
  return fc.constantFrom(...Object.keys(TARGETS)).chain((kind) => {
    const target = TARGETS[kind];
    if (!target) throw new TypeError(`no target ${kind}`);
    const uses = fc.subarray(probes, { maxLength: Math.min(3, probes.length) });
    return fc
      .tuple(target.config, fc.constantFrom(...target.strategies), uses, uses, some(text), some(duration))
      .map(([config, strategy, before, after, image, probeTimeout]) => ({
        [kind]: config,
        strategy,
        ...(image === undefined ? {} : { image }),
        ...(target.staged.includes(strategy) ? { beforePromotion: before } : {}),
        // The log of the target, in every stage that has one.
        afterPromotion: [...after, ...(TELLS_ITS_LOG.includes(kind) ? ['told'] : []), 'varied'],
        ...(probeTimeout === undefined ? {} : { probeTimeout }),
      }));
  });
}

const KINDS = [
  'config',
  'secret',
  'infra',
  'reboot',
  'git',
  'check',
  'loadTest',
  'approval',
  'monitor',
  'run',
];
export const STEP_KINDS_MADE = [...KINDS, 'deploy'];

function stage(name: string, made: Made): fc.Arbitrary<JsonMap> {
  const inOrder = fc
    .array(fc.constantFrom(...KINDS), { maxLength: 4 })
    .chain((kinds) => fc.tuple(step('deploy', made), ...kinds.map((kind) => step(kind, made))));
  return fc
    .tuple(
      inOrder,
      fc.boolean(),
      some(fc.constantFrom('Mon-Thu 08:00-15:00 America/New_York', '  Sat,Sun  22:00-04:00 UTC ')),
      some(shape({ poolLimitKey: words, otherConnections: fc.nat(9) })),
      shape({
        host: fc.constantFrom('a', 'true', '1', '${env:HOST}'),
        limit: fc.constantFrom(1, 2, 0.5),
        flag: fc.boolean(),
      }),
    )
    .map(([list, startsFrom, window, connectionBudget, vars]) => {
      const all = list.map((each, index) => ({ ...each, ...(index % 2 === 0 ? { id: `s${index}` } : {}) }));
      const [first, ...rest] = all as [JsonMap, ...JsonMap[]];
      const earlier = rest.slice(0, 1).map(({ id }, index) => id ?? kindOf(rest[index]));
      const own = Object.entries(first).map(([key, value]) => [
        key,
        startsFrom && earlier.length > 0 && typeof value === 'object' && !Array.isArray(value)
          ? { ...value, startsFrom: earlier }
          : value,
      ]);
      return {
        name,
        ...(window === undefined ? {} : { window }),
        ...(connectionBudget === undefined ? {} : { connectionBudget }),
        vars,
        steps: [...rest.slice(0, 1), Object.fromEntries(own), ...rest.slice(1)],
      } as JsonMap;
    });
}

function kindOf(step: JsonMap | undefined): string {
  return Object.keys(step ?? {}).find((each) => STEP_KINDS_MADE.includes(each)) ?? '';
}

const probe = fc
  .tuple(fc.constantFrom(...PROBE_KINDS_MADE), expects, some(duration))
  .chain(([kind, expect, timeout]) =>
    (PROBES[kind] as fc.Arbitrary<JsonMap>).map((config) => ({
      [kind]: config,
      expect,
      ...(timeout === undefined ? {} : { timeout }),
    })),
  );

/** What differs from stage to stage, and what the target of each stage tells. */
const VARIED: JsonMap = {
  http: { url: 'https://${var:host}.example/${var:limit}', headers: { a: '${var:host}', b: 'same' } },
  expect: [
    { path: 'n', lt: '${var:limit}' },
    { path: 'flag', equals: '${var:flag}' },
    { path: 'same', equals: '${var:common}' },
  ],
};
const TOLD: JsonMap = { logs: { pattern: 'ERROR' }, expect: { path: 'count', equals: 0 } };

/** A document that the schema and the lint accept. */
export const planDocuments: fc.Arbitrary<JsonMap> = fc
  .tuple(
    fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
    fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
  )
  .chain(([probeNames, stageNames]) => {
    const own = probeNames.filter((each) => !['varied', 'told'].includes(each));
    const probes = own.length > 0 ? own : ['only'];
    return fc
      .tuple(
        fc.tuple(...probes.map(() => probe)),
        fc.tuple(...stageNames.map((each, index) => stage(each, { probes, index }))),
        name,
        name,
        some(duration),
        some(fc.array(NOTIFIERS, { maxLength: 3 })),
        // Behind a `$` it must not complete a reference.
        words.filter((each) => !each.startsWith('{')),
      )
      .map(([made, stages, application, version, deadline, notify, common]) => ({
        apiVersion: 'headgate/v1',
        application,
        version,
        ...(deadline === undefined ? {} : { deadline }),
        ...(notify === undefined ? {} : { notify }),
        vars: { common },
        probes: {
          ...Object.fromEntries(probes.map((each, index) => [each, made[index] as Json])),
          varied: VARIED,
          told: TOLD,
        },
        stages,
      }));
  });

/** JSON is YAML; every character above ASCII is escaped, so that nothing is left to the reader of the file. */
export function toJsonText(document: Json): string {
  return JSON.stringify(document).replaceAll(/[\x7F-\uFFFF]/g, escapeCharacter);
}

export function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
