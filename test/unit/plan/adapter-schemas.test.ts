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
