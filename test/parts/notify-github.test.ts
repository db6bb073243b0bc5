/** Tickets on GitHub over real HTTP: one issue for each rollout, whatever answers are lost; and what is said of refusals. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NotifyInput } from '../../src/contract/activities.js';
import type { Json, NotifyMoment } from '../../src/plan/resolved.js';
import {
  emptyRepository,
  GITHUB_TOKEN,
  type GithubIssueApi,
  REPOSITORY,
  startGithubIssueApi,
} from '../support/github-issue-api.js';
import { serve } from '../support/http-server.js';
import { CANARY, createTeller, inputOf, NOW, notifierOf } from '../support/notify.js';

let api: GithubIssueApi;
beforeAll(async () => {
  api = await startGithubIssueApi(() => Date.parse(NOW));
});
afterAll(() => api.close());
beforeEach(() => {
  Object.assign(api, emptyRepository());
});
afterEach(() => {
  expect(api.faults).toEqual([]);
});

const { tell, failToTell } = createTeller({
  env: () => ({ GITHUB_TOKEN, GITHUB: api.baseUrl }),
  temporalUi: 'http://ui.example.com',
});
const MOMENTS: NotifyMoment[] = ['started', 'waiting', 'rollback', 'rollbackIncomplete', 'outcome'];
const ticket = (more: { [key: string]: Json } = {}) =>
  notifierOf(
    'githubIssue',
    {
      repository: REPOSITORY,
      token: '${env:GITHUB_TOKEN}',
      baseUrl: '${env:GITHUB}',
      labels: ['URGENT'],
      ...more,
    },
    MOMENTS,
  );
const notice = (moment: NotifyMoment, more: Partial<NotifyInput> = {}) =>
  inputOf([ticket()], { moment, title: moment, ...more });
const thread = { threads: { 0: '1' } };
const isRead = (asked: string) => asked.startsWith('GET ');

describe('a ticket', () => {
  it('the first notice opens it with its label, later ones are comments, the outcome closes it', async () => {
    const first = await tell(
      notice('waiting', { lines: [`x ${CANARY}`], commands: ['headgate retry booking/run-1'] }),
    );
    expect(first).toEqual(thread);
    await tell(notice('rollback', thread), { id: '8' });
    await tell(notice('outcome', { ...thread, outcome: 'rolledBack' }), { id: '9' });
    expect(api.issues).toMatchObject([
      {
        title: 'booking v1.0.1: waiting',
        labels: [{ name: 'URGENT' }],
        state: 'closed',
        state_reason: 'completed',
        comments: [
          { body: expect.stringContaining('**rollback** of `booking/run-1`') },
          { body: expect.stringContaining('**outcome** of `booking/run-1`') },
        ],
      },
    ]);
    const link = 'http://ui.example.com/namespaces/shop-prod.a1b2c/workflows/rollout%2Fbooking/run-1/history';
    for (const part of [link, 'headgate retry booking/run-1', 'x [redacted]']) {
      expect(api.issues[0]?.body).toContain(part);
    }
    // Nothing has been tried before, so there is nothing to look for.
    expect(api.asked.filter(isRead)).toEqual([]);
  });

  it('a label that is there in other letters is that label', async () => {
    api.labels = ['urgent'];
    expect(await tell(notice('waiting'))).toEqual(thread);
    expect(api.labels).toEqual(['urgent']);
  });

  it('an incomplete rollback leaves it open', async () => {
    await tell(notice('rollbackIncomplete'));
    await tell(notice('outcome', { ...thread, outcome: 'rollbackIncomplete' }), { id: '8' });
    expect(api.issues).toMatchObject([{ state: 'open', comments: [{}] }]);
  });

  it('success alone is no ticket, but closes one', async () => {
    const promoted = notice('outcome', { outcome: 'promoted' });
    expect(await tell(promoted)).toEqual({ threads: {} });
    expect(api.issues).toEqual([]);
    await tell(notice('waiting'));
    await tell({ ...promoted, ...thread }, { id: '8' });
    expect(api.issues).toMatchObject([{ state: 'closed', comments: [{}] }]);
  });

  it('a token that may not label: the ticket is there, and what it lacks is said', async () => {
    api.mayPush = false;
    const told = await tell(notice('waiting'));
    expect(told.threads).toEqual(thread.threads);
    expect(told.warnings).toEqual([
      expect.stringMatching(/^issue acme\/shop#1 is without its label URGENT: .* Give it the right to push/),
    ]);
  });

  it('when somebody deleted it, the next notice opens another', async () => {
    const told = await tell(notice('rollback', { threads: { 0: '41' } }));
    expect(told).toEqual(thread);
    expect(api.issues).toMatchObject([{ title: 'booking v1.0.1: rollback' }]);
  });

  it('each rollout has its own', async () => {
    await tell(notice('waiting'), { attempt: 2 });
    const { context } = notice('waiting');
    const other = notice('waiting', { context: { ...context, runId: 'run-2' } });
    expect(await tell(other, { attempt: 2 })).toEqual({ threads: { 0: '2' } });
  });
});

describe('repetition', () => {
  it('a worker that died after the answer opens no second issue', async () => {
    const waiting = notice('waiting');
    await tell(waiting);
    expect(await tell(waiting, { attempt: 2 })).toEqual(thread);
    expect(api.issues).toMatchObject([{ comments: [] }]);
  });

  it('a worker that died after the answer comments once, and closes all the same', async () => {
    await tell(notice('waiting'));
    const outcome = notice('outcome', { ...thread, outcome: 'rolledBack' });
    api.failures = [{ status: 502, body: '', lost: true }];
    await failToTell(outcome, { id: '8' });
    expect(api.issues).toMatchObject([{ state: 'open', comments: [{}] }]);
    await tell(outcome, { id: '8', attempt: 2 });
    expect(api.issues).toMatchObject([{ state: 'closed', comments: [{}] }]);
  });

  it.each([
    ['an answer that is cut off', 201, '{"number":'],
    ['a page in between', 200, '<html>canary'],
    ['a broken gateway', 502, '<html>canary'],
    ['no service for now', 503, '{"message":"Service Unavailable"}'],
  ])('%s is worth repeating; the issue that was made is found again', async (_what, status, body) => {
    api.failures = [{ status, body, lost: true }];
    const { error } = await failToTell(notice('waiting'));
    expect(error).toMatchObject({ nonRetryable: false, message: expect.not.stringContaining('canary') });
    expect(await tell(notice('waiting'), { attempt: 2 })).toEqual(thread);
    expect(api.issues).toHaveLength(1);
  });

  it('it is found behind a page of newer ones, and what is older than the notice is not read', async () => {
    await tell(notice('waiting'));
    const [own] = api.issues;
    if (!own) throw new TypeError('no issue');
    const others = (length: number, at: string) =>
      Array.from({ length }, () => ({ ...own, number: 0, body: 'x', created_at: at, updated_at: NOW }));
    api.issues = [...others(200, '2025-01-01T00:00:00Z'), own, ...others(60, NOW)];
    api.asked = [];
    expect(await tell(notice('waiting'), { attempt: 2 })).toEqual(thread);
    expect(api.asked).toHaveLength(2);
    api.issues = [...others(200, '2025-01-01T00:00:00Z'), ...others(60, NOW)];
    api.asked = [];
    await tell(notice('waiting'), { attempt: 2 });
    expect(api.asked.filter(isRead)).toHaveLength(2);
  });

  it.each([
    [429, { 'retry-after': '120' }, 'You have exceeded a secondary rate limit.', 120_000],
    [403, { 'retry-after': '7' }, 'You have exceeded a secondary rate limit.', 7_000],
    [403, {}, 'You have exceeded a secondary rate limit.', 60_000],
    [429, {}, '', 60_000],
    [
      403,
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.parse(NOW) / 1000 + 600) },
      'API rate limit exceeded for installation.',
      601_000,
    ],
  ])('%i with %j waits', async (status, headers, message, nextRetryDelay) => {
    api.failures = [{ status, headers, body: JSON.stringify({ message }) }];
    await expect(tell(notice('waiting'))).rejects.toMatchObject({
      nonRetryable: false,
      nextRetryDelay,
      message: `GitHub wants fewer requests (${status})`,
    });
  });
});

describe('what repeating does not help', () => {
  const refusal = (message: string | RegExp) => ({
    type: 'Invalid',
    nonRetryable: true,
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });

  it('a wrong token', async () => {
    const wrong = tell(notice('waiting'), { env: { GITHUB_TOKEN: 'canary-wrong' } });
    await expect(wrong).rejects.toMatchObject(
      refusal(
        'GitHub refuses the issue (401, Bad credentials). Give the worker a valid token; this one is wrong, revoked or has expired.',
      ),
    );
  });

  it('issues that are off', async () => {
    api.isOn = false;
    await expect(tell(notice('waiting'))).rejects.toMatchObject(
      refusal(/\(410, Issues has been disabled in this repository\.\)\. Turn the issues of acme\/shop on/),
    );
    // Not even where a ticket was: then it is the repository, not the ticket.
    await expect(tell(notice('rollback', thread))).rejects.toMatchObject(refusal(/\(410/));
  });

  it('a repository that is not there', async () => {
    const elsewhere = inputOf([ticket({ repository: 'acme/other' })], { moment: 'waiting' });
    await expect(tell(elsewhere)).rejects.toMatchObject(
      refusal(/\(404, Not Found\)\. There is no acme\/other, or the token may not see it/),
    );
  });

  it.each([
    [403, 'Resource not accessible by personal access token', /Issues: read and write/],
    [403, 'Repository was archived so is read-only.', /An archived repository takes none/],
    [451, 'Repository access blocked', /\(451, Repository access blocked\)/],
  ])('%i %s', async (status, message, expected) => {
    api.failures = [{ status, body: JSON.stringify({ message }) }];
    await expect(tell(notice('waiting'))).rejects.toMatchObject(refusal(expected));
  });

  it('what GitHub finds wrong is said with its fields', async () => {
    const errors = [{ resource: 'Label', code: 'invalid', field: 'name' }, 'and more'];
    api.failures = [{ status: 422, body: JSON.stringify({ message: 'Validation Failed', errors }) }];
    await expect(tell(notice('waiting'))).rejects.toMatchObject(
      refusal(
        'GitHub refuses the issue (422, Validation Failed: name invalid: and more). Check repository, labels and baseUrl of the notifier in the plan.',
      ),
    );
  });

  it('a redirect is not followed: nobody else gets the token', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(201).end('{}');
    });
    try {
      api.failures = [
        { status: 301, body: '{"message":"Moved Permanently"}', headers: { location: other.url } },
      ];
      await expect(tell(notice('waiting'))).rejects.toMatchObject(
        refusal(/\(301, Moved Permanently\)\. acme\/shop has moved: name where it is now in the plan/),
      );
      expect(seen).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it.each(['acme', 'acme/shop/issues', '../shop', 'acme/..', 'acme/sh op', 'https://github.com/acme/shop'])(
    '%s is no repository',
    async (repository) => {
      await expect(tell(inputOf([ticket({ repository })], { moment: 'waiting' }))).rejects.toMatchObject(
        refusal('githubIssue is not configured right: repository: expected owner/name'),
      );
      expect(api.asked).toEqual([]);
    },
  );
});
