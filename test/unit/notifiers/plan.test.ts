/** What the plan file says of PagerDuty and GitHub: mistakes are told at their place, before anything starts. */
import { expect, it } from 'vitest';
import { parsePlan } from '../../../src/plan/parse.js';

const faultsOf = (notifier: string) =>
  parsePlan({
    text: `apiVersion: headgate/v1
application: shop
version: v1
notify:
  - ${notifier}
stages:
  - name: production
    steps:
      - approval: { timeout: 24h }
`,
    file: 'rollout.yaml',
    overrides: {},
  }).faults;

it.each(['acme', 'acme/shop/issues', '../shop', 'https://github.com/acme/shop'])(
  '%s is no repository',
  (repository) => {
    const notifier = `{ githubIssue: { repository: "${repository}", token: "\${env:T}" }, when: [outcome] }`;
    expect(faultsOf(notifier)).toMatchObject([
      { code: 'badName', path: 'notify[0].githubIssue.repository', expected: 'owner/name' },
    ]);
  },
);

it('addresses that are none are found before anything starts', () => {
  const pager = '{ pagerDuty: { routingKey: "${env:K}", url: events.eu.pagerduty.com }, when: [outcome] }';
  expect(faultsOf(pager)).toMatchObject([{ code: 'badUrl', path: 'notify[0].pagerDuty.url' }]);
  const ticket =
    '{ githubIssue: { repository: a/b, token: "${env:T}", baseUrl: github.example.com }, when: [outcome] }';
  expect(faultsOf(ticket)).toMatchObject([{ code: 'badUrl', path: 'notify[0].githubIssue.baseUrl' }]);
});
