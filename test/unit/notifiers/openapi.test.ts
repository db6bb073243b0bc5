/** The checks that the doubles of GitHub and PagerDuty stand on find what is wrong. */
import { expect, it } from 'vitest';
import { checkRequest } from '../../support/github-openapi.js';
import { createRequestCheck } from '../../support/openapi.js';

const ISSUES = '/repos/acme/shop/issues';
const query = (text: string) => new URLSearchParams(text);

it('what GitHub describes passes', () => {
  expect(checkRequest('POST', ISSUES, undefined, { title: 'x', body: 'y', labels: ['URGENT'] })).toEqual([]);
  const list = 'state=all&sort=created&direction=desc&per_page=50&page=2&since=2026-01-16T12:00:00Z';
  expect(checkRequest('GET', ISSUES, query(list))).toEqual([]);
  const closed = { state: 'closed', state_reason: 'completed' };
  expect(checkRequest('PATCH', `${ISSUES}/7`, undefined, closed)).toEqual([]);
  const dispatch = { ref: 'v1', inputs: { environment: 'production' }, return_run_details: true };
  const path = '/repos/acme/shop/actions/workflows/deploy.yml/dispatches';
  expect(checkRequest('POST', path, undefined, dispatch)).toEqual([]);
});

it.each([
  ['POST', ISSUES, '', { title: 'x', lables: ['URGENT'] }, 'body/lables is not described'],
  ['POST', ISSUES, '', { body: 'y' }, "body must have required property 'title'"],
  ['POST', ISSUES, '', undefined, 'the body is missing'],
  ['POST', `${ISSUES}/7/comments`, '', { body: 7 }, 'body/body must be string'],
  ['POST', `${ISSUES}/seven/comments`, '', { body: 'x' }, 'path/issue_number must be integer'],
  ['PATCH', `${ISSUES}/7`, '', { state: 'done' }, 'body/state must be equal to one of the allowed values'],
  ['GET', ISSUES, 'stat=all', undefined, 'query stat is not described'],
  ['GET', ISSUES, 'since=yesterday', undefined, 'query/since must match format "date-time"'],
  ['GET', ISSUES, 'per_page=many', undefined, 'query/per_page must be integer'],
  ['PUT', ISSUES, '', {}, `PUT ${ISSUES} is not described; add its operation to github-openapi.json`],
])('GitHub: %s %s?%s %j is found wrong', (method, path, text, body, fault) => {
  expect(checkRequest(method, path, query(text), body)).toContain(fault);
});

it('PagerDuty: an event as described passes, and what is wrong is found', () => {
  const check = createRequestCheck('pagerduty-openapi.json');
  const payload = {
    summary: 'x',
    source: 'shop',
    severity: 'critical',
    timestamp: '2026-01-16T12:00:00.000Z',
  };
  const event = { routing_key: 'k', event_action: 'trigger', payload };
  const enqueue = (body: unknown) => check({ method: 'POST', path: '/enqueue', body });
  expect(enqueue(event)).toEqual([]);
  expect(enqueue({ ...event, event_action: 'open' })).toHaveLength(1);
  expect(enqueue({ ...event, payload: { ...payload, severity: 'high' } })).toHaveLength(1);
  expect(enqueue({ ...event, payload: { ...payload, source: undefined, timestamp: 'now' } })).toHaveLength(2);
  expect(check({ method: 'POST', path: '/change/enqueue', body: { routing_key: 'k' } })).toEqual([
    "body must have required property 'payload'",
  ]);
});
