/** The plan file: what is right goes through whole, what is wrong is said at its place, all at once. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../../src/plan/parse.js';
import type { DeployStep, MonitorStep } from '../../../src/plan/resolved.js';

const EXAMPLE = readFileSync(new URL('../../fixtures/rollout.example.yaml', import.meta.url), 'utf8');
const STORY = readFileSync(
  new URL('../../../examples/connection-pool-fix/rollout.yaml', import.meta.url),
  'utf8',
);

const parse = (text: string, overrides: Record<string, string> = {}) =>
  parsePlan({ text, file: 'rollout.yaml', overrides });

/** A small plan that is right; `change` makes it wrong. */
function planWith(change: (text: string) => string): ReturnType<typeof parse> {
  const right = SMALL;
  const wrong = change(right);
  expect(wrong, 'the change changes something').not.toBe(right);
  return parse(wrong);
}

const SMALL = `apiVersion: headgate/v1
application: shop
version: v1
vars:
  wait: 5m
probes:
  healthy: { http: { url: "\${release:url}/healthz" }, expect: { path: status, equals: 200 } }
  logged: { logs: { pattern: "ready" }, expect: { path: count, gte: 1 } }
stages:
  - name: production
    steps:
      - approval: { timeout: 24h }
      - id: settings
        secret: { awsSecretsManager: { id: shop/config }, set: { POOL: 50 } }
      - deploy:
          command: { status: [a], prepare: [a], promote: [a], restore: [a], retire: [a], restart: [a], logs: [a] }
          strategy: blueGreen
          startsFrom: [settings]
          beforePromotion: [healthy]
          afterPromotion: [healthy, logged]
      - monitor: { for: "\${var:wait}", probes: [healthy] }
`;

describe('a plan that is right', () => {
  it('the document as a plan: no fault, and all of it resolved', () => {
    const { faults, draft, outline } = parse(EXAMPLE);
    expect(faults).toEqual([]);
    expect(outline.map(({ kind }) => kind)).toEqual([
      ...['config', 'deploy', 'loadTest', 'approval', 'infra', 'reboot'],
      ...['secret', 'git', 'deploy', 'monitor', 'check'],
    ]);
    expect(draft?.stages.map(({ steps }) => steps.length)).toEqual([3, 8]);
  });

  it('the story: no fault, no warning, and all of it resolved', () => {
    const { faults, warnings, draft, files } = parse(STORY);
    expect([faults, warnings]).toEqual([[], []]);
    expect(files.map(({ path }) => path).sort()).toEqual([
      'docs/commit-message.md',
      'docs/releases/v1.0.1.md',
      'infrastructure/sandbox',
      'test-payloads/booking-message.json',
      'tests/load/peak-load-test.js',
    ]);
    const [staging, production] = draft?.stages ?? [];
    expect(staging?.steps.map(({ name }) => name)).toEqual([
      ...['staging/settings', 'staging/checkConfig', 'staging/example', 'staging/productionExample'],
      ...['staging/commit', 'staging/deploy', 'staging/loadTest', 'staging/validate'],
    ]);
    expect(production?.steps.map(({ kind }) => kind)).toEqual([
      ...['approval', 'infra', 'reboot', 'secret', 'git', 'deploy', 'monitor', 'check'],
    ]);
    const deploy = production?.steps.find((step): step is DeployStep => step.kind === 'deploy');
    expect(deploy?.config.startsFrom).toEqual(['production/settings']);
    // The log of a probe without a source is the one that its stage's target tells.
    expect(deploy?.config.beforePromotion.find(({ name }) => name === 'configured')?.config.command).toEqual([
      'node',
      'bin/release.mjs',
      'logs',
    ]);
    const databases = draft?.stages.map(({ steps }) =>
      steps.flatMap((step) => (step.kind === 'deploy' ? step.config.afterPromotion : [])),
    );
    expect(databases?.map((probes) => probes.find(({ kind }) => kind === 'postgres')?.config.url)).toEqual([
      '${env:STAGING_DATABASE_URL}',
      '${env:PROD_DATABASE_URL}',
    ]);
  });

  it('fills in what was left out', () => {
    const { draft } = parse(SMALL);
    expect(draft?.deadlineMs).toBe(12 * 3_600_000);
    const steps = draft?.stages[0]?.steps ?? [];
    expect(steps.map(({ name, onRollback }) => [name, onRollback])).toEqual([
      ['production/approval', 'revert'],
      ['production/settings', 'revert'],
      ['production/deploy', 'revert'],
      ['production/monitor', 'revert'],
    ]);
    expect(steps[0]?.config).toEqual({
      timeoutMs: 86_400_000,
      approvals: 1,
      notInitiator: false,
      covers: ['production/settings', 'production/deploy', 'production/monitor'],
    });
    expect(steps[1]?.config).toMatchObject({ set: { POOL: '50' } });
    expect(steps[2]?.config).toMatchObject({ probeTimeoutMs: 120_000, probeIntervalMs: 1_000 });
    const monitor = steps.find((step): step is MonitorStep => step.kind === 'monitor');
    expect(monitor?.config).toMatchObject({ forMs: 300_000, minimumCoverage: 0.95, onInconclusive: 'ask' });
    // No limit is given, so none is tolerated.
    expect(monitor?.config.probes[0]).toMatchObject({
      timeoutMs: 10_000,
      limits: { intervalMs: 5_000, initialDelayMs: 0, failureLimit: 0, consecutiveErrorLimit: 4 },
    });
  });

  it('keeps a limit of a use above one of its monitor', () => {
    const { draft } = planWith((text) =>
      text.replace(
        'probes: [healthy] }',
        'consecutiveFailureLimit: 2, probes: [{ probe: healthy, interval: 1m, failureLimit: 7 }] }',
      ),
    );
    const monitor = draft?.stages[0]?.steps.find((step): step is MonitorStep => step.kind === 'monitor');
    expect(monitor?.config.probes[0]?.limits).toEqual({
      intervalMs: 60_000,
      initialDelayMs: 0,
      failureLimit: 7,
      consecutiveFailureLimit: 2,
      consecutiveErrorLimit: 4,
    });
  });

  it('numbers a kind from the second one of its stage on', () => {
    const { draft } = planWith((text) => `${text}      - monitor: { for: 1m, probes: [healthy] }\n`);
    expect(draft?.stages[0]?.steps.map(({ id }) => id).slice(-2)).toEqual(['monitor', 'monitor-2']);
  });

  it('lays --var over declarations, keeps their type and shows what was overridden', () => {
    const { draft } = parse(SMALL, { wait: '20s' });
    expect(draft?.overrides).toEqual({ wait: '20s' });
    expect(draft?.stages[0]?.steps.at(-1)?.config).toMatchObject({ forMs: 20_000 });
    expect(parse(SMALL, { wiat: '20s' }).faults).toMatchObject([
      { code: 'badOverride', fix: 'Did you mean "wait"?' },
    ]);
  });
});

describe('a plan that is wrong', () => {
  const cases: [what: string, change: (text: string) => string, expected: object][] = [
    ['empty', () => '', { code: 'empty', line: 1, column: 1 }],
    ['no YAML', (t) => t.replace('vars:', 'vars: ['), { code: 'syntax' }],
    ['a list', () => '- a\n', { code: 'wrongType' }],
    [
      'a key twice',
      (t) => t.replace('version: v1\n', 'version: v1\nversion: v2\n'),
      { code: 'duplicateKey', line: 4 },
    ],
    [
      'an unknown key',
      (t) => t.replace('version:', 'verion: a\nversion:'),
      { code: 'unknownKey', line: 3, column: 1, fix: 'Did you mean "version"?' },
    ],
    [
      'a missing key',
      (t) => t.replace('application: shop\n', ''),
      { code: 'missingKey', path: 'application' },
    ],
    [
      'a wrong type',
      (t) => t.replace('application: shop', 'application: 7'),
      { code: 'wrongType', line: 2, column: 14 },
    ],
    [
      'another version of the format',
      (t) => t.replace('headgate/v1', 'headgate/v2'),
      { code: 'wrongValue', line: 1 },
    ],
    [
      'a bad duration',
      (t) => t.replace('timeout: 24h', 'timeout: soon'),
      { code: 'badDuration', line: 12, column: 30 },
    ],
    [
      'a misspelt kind',
      (t) => t.replace('- deploy:', '- deplyo:'),
      { code: 'unknownKey', fix: 'Did you mean "deploy"?' },
    ],
    [
      'no kind',
      (t) => t.replace('- approval: { timeout: 24h }', '- id: nothing'),
      { code: 'noKind', line: 12 },
    ],
    [
      'two kinds',
      (t) => t.replace('- approval: { timeout: 24h }', '- { approval: {}, check: { probes: [healthy] } }'),
      { code: 'severalKinds' },
    ],
    [
      'an unknown probe',
      (t) => t.replace('beforePromotion: [healthy]', 'beforePromotion: [helthy]'),
      { code: 'unknownProbe', line: 19, column: 29, fix: 'Did you mean "healthy"?' },
    ],
    [
      'a probe twice',
      (t) => t.replace('[healthy, logged]', '[healthy, logged, healthy]'),
      { code: 'repeatedProbe' },
    ],
    [
      'a probe that expects nothing',
      (t) => t.replace(', expect: { path: status, equals: 200 }', ''),
      { code: 'noExpectation', line: 7 },
    ],
    [
      'an expectation without a condition',
      (t) => t.replace(', equals: 200', ''),
      { code: 'noCondition', line: 7 },
    ],
    [
      'a step that is not there',
      (t) => t.replace('startsFrom: [settings]', 'startsFrom: [setings]'),
      { code: 'unknownStep', fix: 'Did you mean "settings"?' },
    ],
    [
      'a step that comes later',
      (t) => t.replace('startsFrom: [settings]', 'startsFrom: [monitor]'),
      { code: 'laterStep' },
    ],
    [
      'a name twice',
      (t) => t.replace('- approval:', '- id: settings\n        approval:'),
      { code: 'repeatedName' },
    ],
    [
      'an unknown variable',
      (t) => t.replace('${var:wait}', '${var:wiat}'),
      { code: 'unknownVariable', fix: 'Did you mean "wait"?' },
    ],
    [
      'an unknown reference',
      (t) => t.replace('${release:url}', '${release:adress}'),
      { code: 'badReference' },
    ],
    [
      'a reference that is never closed',
      (t) => t.replace('${release:url}/healthz', '${release:url/healthz'),
      { code: 'badReference' },
    ],
    [
      'a reference that only the value of a variable completes',
      (t) =>
        t
          .replace('${release:url}/healthz', () => '$${var:tail}')
          .replace('  wait: 5m', '  wait: 5m\n  tail: "{env:TOKEN}"'),
      { code: 'badReference', found: '${env:TOKEN}' },
    ],
    [
      'a secret as an argument',
      (t) => t.replace('status: [a]', 'status: [a, "${env:TOKEN}"]'),
      { code: 'secretArgument', line: 16 },
    ],
    ['a pattern that is none', (t) => t.replace('"ready"', '"("'), { code: 'badPattern' }],
    [
      'an opaque target that is judged before',
      (t) => t.replace(' restore: [a],', ''),
      { code: 'notStaged', line: 19 },
    ],
    ['nothing to restart with', (t) => t.replace(' restart: [a],', ''), { code: 'cannotRestart', line: 18 }],
    ['a log that nobody tells', (t) => t.replace(', logs: [a]', ''), { code: 'noLogs', line: 8 }],
    [
      'a first measurement after the end of the monitor',
      (t) => t.replace('probes: [healthy] }', 'initialDelay: 5m, probes: [healthy] }'),
      { code: 'neverSampled' },
    ],
    [
      'a path that leads out',
      (t) => `${t}      - loadTest: { script: ../a.js, expect: { metric: m, path: p, lt: 1 } }\n`,
      { code: 'badPath' },
    ],
    [
      'a figure of k6 without its metric',
      (t) => `${t}      - loadTest: { script: a.js, expect: { path: rate, lt: 1 } }\n`,
      { code: 'noMetric' },
    ],
    [
      'a strategy that there is not',
      (t) => t.replace('blueGreen', 'purple'),
      { code: 'wrongValue', line: 17, column: 21 },
    ],
    [
      'a number in quotes',
      (t) => t.replace('timeout: 24h', 'approvals: "2"'),
      { code: 'wrongType', fix: 'Leave the quotes out: 2.' },
    ],
    ['nothing to set', (t) => t.replace('set: { POOL: 50 }', 'set: {}'), { code: 'empty' }],
  ];

  it.each(cases)('%s', (_what, change, expected) => {
    const { faults, draft } = planWith(change);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ file: 'rollout.yaml', ...expected });
    expect(faults[0]?.expected).not.toBe('');
    expect(faults[0]?.fix).not.toBe('');
    expect(draft).toBeUndefined();
  });

  it('says all of it at once, in the order of the file', () => {
    const { faults } = planWith((text) =>
      text
        .replace('version: v1', 'version: ""')
        .replace('24h', 'never')
        .replace('blueGreen', 'green')
        .replace('probes: [healthy] }', 'probes: [nobody] }'),
    );
    expect(faults.map(({ line }) => line)).toEqual([3, 12, 17, 21]);
  });

  it('a fault of a variable is said once, however many stages use it', () => {
    const two = SMALL.replace('${release:url}/healthz', '${var:base}/healthz').concat(
      SMALL.slice(SMALL.indexOf('  - name: production')).replace('name: production', 'name: second'),
    );
    expect(parse(two).faults.map(({ code }) => code)).toEqual(['unknownVariable']);
  });

  it('lists the files that a faulty plan names', () => {
    const { files } = planWith((text) =>
      text
        .replace('blueGreen', 'green')
        .concat('      - loadTest: { script: a.js, expect: { metric: m, path: p, lt: 1 } }\n'),
    );
    expect(files.map(({ path, toFault }) => [path, toFault('gone').line])).toEqual([['a.js', 22]]);
  });
});

describe('what is allowed and probably not meant', () => {
  it.each([
    ['unusedProbe', (t: string) => t.replace(', logged]', ']')],
    ['unusedVariable', (t: string) => t.replace('${var:wait}', '5m')],
    [
      'unjudgedDeploy',
      (t: string) =>
        t.replace(/ +(before|after)Promotion.*\n/g, '').replace('[healthy] }', '[healthy, logged] }'),
    ],
    ['deadlineTooShort', (t: string) => t.replace('version: v1', 'version: v1\ndeadline: 1m')],
    [
      'secretInPlan',
      (t: string) =>
        t.replace('url: "${release:url}/healthz"', 'url: "${release:url}/healthz", bearer: hunter22hunter'),
    ],
    [
      'ignoredLimit',
      (t: string) =>
        t.replace('beforePromotion: [healthy]', 'beforePromotion: [{ probe: healthy, failureLimit: 2 }]'),
    ],
    ['sampledOnce', (t: string) => t.replace('probes: [healthy] }', 'interval: 1h, probes: [healthy] }')],
    ['probeWrites', (t: string) => t.replace('http: { url', 'http: { method: POST, url')],
    [
      'budgetUnknown',
      (t: string) =>
        t.replace(
          '    steps:',
          '    connectionBudget: { poolLimitKey: POOL, otherConnections: 1 }\n    steps:',
        ),
    ],
  ])('%s', (code, change) => {
    const { faults, warnings } = planWith(change);
    expect(faults).toEqual([]);
    expect(warnings.map((warning) => warning.code)).toContain(code);
  });

  it('a change behind the first stage that nobody approves', () => {
    const text = SMALL.concat(
      SMALL.slice(SMALL.indexOf('  - name: production')).replace('name: production', 'name: second'),
    ).replaceAll('      - approval: { timeout: 24h }\n', '');
    expect(parse(text).warnings.map(({ code }) => code)).toEqual(['unapprovedChange']);
  });

  it.each(['approvers: [ana]', 'notInitiator: true'])('%s without identities that are verified', (option) => {
    const with_ = (text: string) => planWith((plan) => plan.replace('timeout: 24h', text)).faults;
    expect(with_(option).map(({ code, line }) => [code, line])).toEqual([['needsIdentity', 12]]);
    expect(with_(`${option}, identity: ssh`)).toEqual([]);
  });
});

describe('anything at all', () => {
  it('never throws, and always says where', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        for (const { line, column } of parse(text).faults)
          expect([line > 0, column > 0]).toEqual([true, true]);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws on a plan with a line lost, doubled or cut', () => {
    const lines = EXAMPLE.split('\n');
    fc.assert(
      fc.property(
        fc.nat(lines.length - 1),
        fc.nat(200),
        fc.constantFrom('lost', 'doubled', 'cut'),
        (at, cut, how) => {
          const line = lines[at] ?? '';
          const changed = how === 'lost' ? [] : how === 'doubled' ? [line, line] : [line.slice(0, cut)];
          const { faults, draft } = parse(
            [...lines.slice(0, at), ...changed, ...lines.slice(at + 1)].join('\n'),
          );
          expect(faults.length > 0 && draft !== undefined).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives up on a bomb of aliases', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...'bcdefgh'.split('').map((name, index) => {
        const before = 'abcdefg'[index];
        return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
      }),
    ].join('\n');
    const { faults } = parse(bomb);
    expect(faults.map(({ code }) => code)).toContain('tooComplex');
  });
});
