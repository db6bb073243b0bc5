/** Made-up options of every probe, target and notifier. */
import fc from 'fast-check';
import type { Json } from '../../src/plan/resolved.js';
import { argv, type JsonMap, key, mapOf, path, scalar, shape, some, text, url, words } from './plan-words.js';

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
export const expects = listOrOne(expectation({ aggregate }));
export const figures = listOrOne(expectation({ metric: words }));

const { body } = fc.letrec<{ body: Json }>((tie) => ({
  body: fc.oneof(
    { maxDepth: 2 },
    fc.oneof(scalar, fc.constant(null)),
    fc.array(tie('body'), { maxLength: 3 }),
    fc.dictionary(key, tie('body'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

export const PROBES: { [kind: string]: fc.Arbitrary<JsonMap> } = {
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
export const TARGETS: {
  [kind: string]: { config: fc.Arbitrary<JsonMap>; strategies: string[]; staged: string[] };
} = {
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
export const TELLS_ITS_LOG = ['command', 'kubernetes', 'ssh'];

export const NOTIFIERS: fc.Arbitrary<JsonMap> = fc
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
