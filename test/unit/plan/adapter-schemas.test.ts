/** What the plan file says of the probes and notifiers themselves: mistakes are told at their place, before anything starts. */
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../../src/plan/parse.js';

const planOf = (probe: string, notify = '{ webhook: { url: "http://127.0.0.1" }, when: [outcome] }') =>
  parsePlan({
    file: 'rollout.yaml',
    overrides: {},
    text: `apiVersion: headgate/v1
application: shop
version: v1
notify:
  - ${notify}
probes:
  one: { ${probe}, expect: { path: value, lt: 1 } }
stages:
  - name: production
    steps:
      - approval: { timeout: 1h }
      - check: { probes: [one] }
`,
  });

const metric = (period: string, name = 'AWS/RDS/DatabaseConnections') =>
  `cloudwatch: { metric: "${name}", statistic: Maximum, period: ${period} }`;
const told = (probe: string, notify?: string) =>
  planOf(probe, notify).faults.map(({ code, path, expected, fix }) => ({ code, path, expected, fix }));

describe('cloudwatch', () => {
  it.each(['1s', '5s', '10s', '30s', '1m', '5m', '1h30m', '24h'])('knows the period %s', (period) => {
    expect(told(metric(period))).toEqual([]);
  });

  it.each(['2s', '45s', '90s', '250ms', '0s', 'soon'])('does not know the period %s', (period) => {
    expect(told(metric(period))).toMatchObject([
      {
        code: 'badDuration',
        path: 'probes.one.cloudwatch.period',
        expected: 'a period that CloudWatch knows: 1s, 5s, 10s, 30s or whole minutes',
      },
    ]);
  });

  it.each(['DatabaseConnections', '/DatabaseConnections', 'AWS/RDS/'])('%s is no metric', (name) => {
    expect(told(metric('5m', name))).toMatchObject([
      { code: 'badName', path: 'probes.one.cloudwatch.metric' },
    ]);
  });
});

describe('logs', () => {
  it.each([
    'file: app.log, follow: true',
    'command: [journal]',
    'kubernetes: { namespace: shop, deployment: shop, previous: true }, follow: true',
    'kubernetes: { context: prod, namespace: shop, deployment: shop, container: web, release: "shop@1" }',
    'pm2: shop, follow: true',
    'pm2: shop, ssh: { host: a, user: b, port: 22 }',
    'journald: shop.service, ssh: { host: a }, follow: true',
    'compose: api, directory: /app, ssh: { host: a }',
    'file: app.log, comparedTo: before',
  ])('are those of {%s}', (source) => {
    expect(told(`logs: { pattern: x, ${source} }`).filter(({ path }) => path.includes('logs'))).toEqual([]);
  });

  it.each([
    ['file: app.log, pm2: shop', 'oneOf', ''],
    ['journald: a, compose: b', 'oneOf', ''],
    ['file: app.log, ssh: { host: a }', 'oneOf', '.ssh'],
    ['pm2: shop, directory: /app', 'oneOf', '.directory'],
    ['command: [journal], follow: true', 'noStream', '.follow'],
    ['compose: api, follow: true', 'noStream', '.follow'],
    ['pm2: shop, ssh: { host: a }, follow: true', 'noStream', '.follow'],
    ['file: app.log, comparedTo: before, follow: true', 'noStream', '.follow'],
  ])('not by {%s}', (source, code, path) => {
    expect(told(`logs: { pattern: x, ${source} }`)).toMatchObject([
      { code, path: `probes.one.logs${path}`, fix: expect.any(String) },
    ]);
  });

  it('a misspelt key is named, and nothing else', () => {
    const faults = told('logs: { pattern: x, file: app.log, jornald: a, ssh: { host: a } }');
    expect(faults).toMatchObject([{ code: 'unknownKey', path: 'probes.one.logs.jornald' }]);
  });
});

describe('logs of the deploy target', () => {
  const faults = (target: string) =>
    parsePlan({
      file: 'rollout.yaml',
      overrides: {},
      text: `apiVersion: headgate/v1
application: shop
version: v1
probes:
  one: { logs: { pattern: x, follow: true }, expect: { path: count, equals: 0 } }
stages:
  - name: production
    steps:
      - approval: { timeout: 1h }
      - deploy: { ${target}, afterPromotion: [] }
      - monitor: { probes: [one], for: 1h, interval: 5s }
`,
    }).faults.filter(({ code }) => code === 'noStream' || code === 'noLogs');

  it('are followed where the target has a stream', () => {
    const kubernetes =
      'kubernetes: { namespace: a, deployment: b, service: c, url: "http://a" }, strategy: rolling';
    expect(faults(kubernetes)).toEqual([]);
  });

  it('and that is a fault where it has none', () => {
    const command = 'command: { status: [a], promote: [a], logs: [a] }, strategy: immediate';
    expect(faults(command)).toMatchObject([{ code: 'noStream', path: 'probes.one.logs.follow' }]);
  });
});

describe('postgres', () => {
  const url = 'url: "${env:DATABASE_URL}"';

  it('asks one question', () => {
    expect(told(`postgres: { ${url}, query: select 1 }`)).toEqual([]);
    expect(told(`postgres: { ${url}, preset: activity }`)).toEqual([]);
    expect(told(`postgres: { ${url}, preset: statements }`)).toEqual([]);
  });

  it.each(['', ', query: select 1, preset: activity', ', preset: activity, parameters: [1]'])(
    'not by {url%s}',
    (question) => {
      expect(told(`postgres: { ${url}${question} }`)).toMatchObject([
        { code: 'oneOf', path: 'probes.one.postgres' },
      ]);
    },
  );
});

describe('command', () => {
  it('no secret becomes an argument', () => {
    expect(told('command: { argv: [measure, "${env:TOKEN}"] }')).toMatchObject([
      { code: 'secretArgument', path: 'probes.one.command.argv[1]' },
    ]);
    expect(told('command: { argv: [measure, "${rollout:id}"] }')).toEqual([]);
  });
});

describe('slack', () => {
  const probe = 'prometheus: { url: "http://127.0.0.1:9090", query: up }';
  const slack = (config: string) => told(probe, `{ slack: { ${config} }, when: [outcome] }`);

  it('is told by a webhook, or by a bot in a channel', () => {
    expect(slack('webhook: "${env:HOOK}"')).toEqual([]);
    expect(slack('token: "${env:TOKEN}", channel: "#deploys"')).toEqual([]);
  });

  it.each(['', 'token: "${env:TOKEN}"', 'webhook: "${env:HOOK}", channel: "#deploys"'])(
    'not by {%s}',
    (config) => {
      expect(slack(config)).toMatchObject([
        { code: 'oneOf', path: 'notify[0].slack', expected: 'either webhook, or token and channel' },
      ]);
    },
  );

  it('a misspelt key is named, and nothing else', () => {
    expect(slack('webhok: "${env:HOOK}"')).toMatchObject([
      { code: 'unknownKey', path: 'notify[0].slack.webhok', fix: expect.stringContaining('webhook') },
    ]);
  });
});
