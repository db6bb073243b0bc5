/** Notices to PagerDuty over real HTTP: which incidents are open when, what is repeated, and what never is said. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NotifyInput } from '../../src/contract/activities.js';
import type { NotifyMoment } from '../../src/plan/resolved.js';
import { closedAddress, type LocalServer, serve } from '../support/http-server.js';
import { type Attempt, CANARY, createTeller, inputOf, notifierOf } from '../support/notify.js';
import { type PagerDutyApi, ROUTING_KEY, startPagerDutyApi } from '../support/pager-duty-api.js';

let api: PagerDutyApi;
beforeAll(async () => {
  api = await startPagerDutyApi();
});
afterAll(() => api.close());
beforeEach(() => {
  Object.assign(api, { incidents: [], changes: [], failures: [] });
});

const MOMENTS: NotifyMoment[] = [
  'started',
  'approval',
  'waiting',
  'rollback',
  'rollbackIncomplete',
  'outcome',
];
const { tell, failToTell } = createTeller({
  env: () => ({ PAGERDUTY_KEY: ROUTING_KEY, REGION: api.url }),
  temporalUi: 'http://ui.example.com',
});
const pager = () => [
  notifierOf('pagerDuty', { routingKey: '${env:PAGERDUTY_KEY}', url: '${env:REGION}' }, MOMENTS),
];
const notice = (moment: NotifyMoment, more: Partial<NotifyInput> = {}) =>
  inputOf(pager(), { moment, title: moment, commands: [`headgate watch booking/run-1`], ...more });
const openKeys = () => api.incidents.filter(({ open }) => open).map(({ key }) => key);

/** Notices one after the other, as a rollout sends them, each in the thread of those before. */
async function tellAll(notices: [id: string, NotifyInput][]): Promise<void> {
  let threads: Record<string, string> = {};
  for (const [id, what] of notices) {
    const told = await tell({ ...what, threads }, { id });
    threads = { ...threads, ...told.threads };
  }
}

describe('what the on-call sees', () => {
  it('a rollout that goes well pages nobody, and is among the recent changes', async () => {
    await tellAll([
      ['1', notice('started')],
      ['2', notice('approval')],
      ['3', notice('outcome', { outcome: 'promoted' })],
    ]);
    expect(api.incidents).toEqual([]);
    const summaries = api.changes.map(({ payload }) => payload?.summary);
    expect(summaries).toEqual(
      ['started', 'approval', 'outcome'].map((moment) => `booking v1.0.1: ${moment}`),
    );
  });

  it('an incident carries the command to type, the lines and the link to the run', async () => {
    await tell(notice('waiting', { lines: [`x ${CANARY}`] }));
    const link = 'http://ui.example.com/namespaces/shop-prod.a1b2c/workflows/rollout%2Fbooking/run-1/history';
    expect(api.incidents).toMatchObject([
      {
        key: 'headgate/booking/run-1/7',
        event: {
          client_url: link,
          links: [{ href: link }],
          payload: {
            severity: 'error',
            group: 'booking/run-1',
            custom_details: { commands: ['headgate watch booking/run-1'], lines: ['x [redacted]'] },
          },
        },
      },
    ]);
  });

  it('a second question pages again and ends the first; the outcome ends the last', async () => {
    await tellAll([
      ['1', notice('waiting')],
      ['2', notice('waiting')],
    ]);
    expect(api.incidents).toHaveLength(2);
    expect(openKeys()).toEqual(['headgate/booking/run-1/2']);
    const threads = { 0: 'headgate/booking/run-1/2' };
    await tell({ ...notice('outcome', { outcome: 'promoted' }), threads }, { id: '3' });
    expect(openKeys()).toEqual([]);
  });

  it('a rollout that goes on after its question has its incident ended', async () => {
    await tellAll([
      ['1', notice('waiting')],
      ['2', notice('approval')],
    ]);
    expect(openKeys()).toEqual([]);
  });

  it('a rollback that cannot be completed turns from a warning into a critical incident', async () => {
    await tellAll([
      ['1', notice('rollback')],
      ['2', notice('rollbackIncomplete')],
    ]);
    expect(api.incidents.map(({ open, event }) => [event.payload?.severity, open])).toEqual([
      ['warning', false],
      ['critical', true],
    ]);
  });

  it('what somebody accepted as incomplete stays open and pages nobody anew', async () => {
    await tellAll([
      ['1', notice('rollbackIncomplete')],
      ['2', notice('outcome', { outcome: 'rollbackIncomplete' })],
    ]);
    expect(openKeys()).toEqual(['headgate/booking/run-1/1']);
    expect(api.incidents).toHaveLength(1);
  });

  it('who hears of it by the outcome only is paged for an incomplete rollback', async () => {
    await tell(notice('outcome', { outcome: 'rollbackIncomplete' }));
    expect(api.incidents).toMatchObject([{ open: true, event: { payload: { severity: 'critical' } } }]);
  });
});

describe('repetition', () => {
  it('a worker that died after the answer opens nothing twice', async () => {
    const waiting = notice('waiting');
    const first = await tell(waiting);
    expect(await tell(waiting, { attempt: 2 })).toEqual(first);
    expect(api.incidents).toMatchObject([{ open: true, triggers: 2 }]);
  });

  it.each([
    ['a broken gateway', { status: 502, body: '<html>canary' }],
    ['its own trouble', { status: 500, body: '{"status":"error","message":"canary"}' }],
    ['a page in between', { status: 200, body: '<html>canary' }],
    ['an answer that was lost', { status: 503, body: '', lost: true }],
  ])('%s is worth repeating, and opens nothing twice', async (_what, failure) => {
    api.failures = [failure];
    const waiting = notice('waiting');
    const { error, heartbeat } = await failToTell(waiting);
    expect(error).toMatchObject({ nonRetryable: false, message: expect.not.stringContaining('canary') });
    await tell(waiting, { attempt: 2, heartbeat });
    expect(api.incidents).toHaveLength(1);
  });

  it('when the incident before could not be ended, the next attempt ends it', async () => {
    await tell(notice('waiting'), { id: '1' });
    const next = notice('rollback', { threads: { 0: 'headgate/booking/run-1/1' } });
    api.failures = [{ status: 503, body: '', lost: true }];
    await failToTell(next, { id: '2' });
    expect(openKeys()).toHaveLength(2);
    await tell(next, { id: '2', attempt: 2 });
    expect(openKeys()).toEqual(['headgate/booking/run-1/2']);
  });

  it('waits as long as PagerDuty says, else half a minute', async () => {
    api.failures = [{ status: 429, body: '', headers: { 'retry-after': '90' } }];
    const throttled = { nonRetryable: false, message: 'PagerDuty wants fewer events (429)' };
    await expect(tell(notice('waiting'))).rejects.toMatchObject({ ...throttled, nextRetryDelay: 90_000 });
    api.failures = [{ status: 429, body: '' }];
    await expect(tell(notice('waiting'))).rejects.toMatchObject({ ...throttled, nextRetryDelay: 30_000 });
  });
});

describe('what repeating does not help', () => {
  const fail = (attempt: Attempt) => expect(tell(notice('waiting'), attempt)).rejects;

  it('a key of the wrong length: PagerDuty says so, and what mends it is said too', async () => {
    await fail({ env: { PAGERDUTY_KEY: 'short' } }).toMatchObject({
      type: 'Invalid',
      nonRetryable: true,
      message:
        "PagerDuty refuses the event: Event object is invalid: Length of 'routing_key' is incorrect (should be 32 characters). Give the worker the integration key of a service (Events API v2), and check url in the plan.",
    });
  });

  it('the key is in no error, even when PagerDuty says it', async () => {
    const other = 'another0canary0of0thirty0two0yes';
    await fail({ env: { PAGERDUTY_KEY: other } }).toMatchObject({
      nonRetryable: true,
      message: expect.stringMatching(/unknown key \[redacted\]/),
    });
  });

  it('no answer: neither key nor path is said', async () => {
    const gone = await closedAddress();
    await fail({ env: { REGION: `${gone}/canary` } }).toMatchObject({
      nonRetryable: false,
      message: expect.stringMatching(/^PagerDuty: no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/),
    });
  });

  it('a redirect is not followed: nobody else gets the key', async () => {
    const seen: string[] = [];
    const other: LocalServer = await serve((request, response) => {
      seen.push(request.url ?? '');
      response.writeHead(202).end();
    });
    try {
      api.failures = [{ status: 307, body: '', headers: { location: `${other.url}/v2/enqueue` } }];
      await fail({}).toMatchObject({
        nonRetryable: true,
        message: expect.stringMatching(/redirect \(307\)/),
      });
      expect(seen).toEqual([]);
    } finally {
      await other.close();
    }
  });
});
