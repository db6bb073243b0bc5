/** Plan files by the thousand: every kind of step, probe, target and notifier, with words that YAML takes for others. */
import fc from 'fast-check';
import type { Json } from '../../src/plan/resolved.js';
import { expects, figures, NOTIFIERS, PROBES, TARGETS, TELLS_ITS_LOG } from './plan-options.js';
import {
  argv,
  duration,
  type JsonMap,
  mapOf,
  name,
  path,
  scalar,
  shape,
  some,
  text,
  words,
} from './plan-words.js';

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
  .tuple(fc.constantFrom(...Object.keys(PROBES)), expects, some(duration))
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
