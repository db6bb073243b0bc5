import { expect, it } from 'vitest';
import type { Notification } from '../../../src/adapters/notifiers/notifier.js';
import {
  changeEvent,
  dedupKeyOf,
  LONGEST_SUMMARY,
  meaningOf,
  triggerEvent,
} from '../../../src/adapters/notifiers/pagerDuty/events.js';
import { noticeOf } from '../../support/notice.js';

const AT = Date.parse('2026-01-16T12:00:00Z');

it.each<[Partial<Notification>, object]>([
  [{ moment: 'started' }, { change: true, settled: true }],
  [{ moment: 'approval' }, { change: true, settled: true }],
  [{ moment: 'rollback' }, { incident: 'warning' }],
  [{ moment: 'waiting' }, { incident: 'error' }],
  [{ moment: 'rollbackIncomplete' }, { incident: 'critical' }],
  [
    { moment: 'outcome', outcome: 'promoted' },
    { change: true, settled: true },
  ],
  [
    { moment: 'outcome', outcome: 'rolledBack' },
    { change: true, settled: true },
  ],
  [
    { moment: 'outcome', outcome: 'refused' },
    { change: true, settled: true },
  ],
  [
    { moment: 'outcome', outcome: 'rollbackIncomplete', thread: 'k' },
    { change: true, settled: false },
  ],
  [{ moment: 'outcome', outcome: 'rollbackIncomplete' }, { incident: 'critical' }],
  [{ moment: 'outcome' }, { change: true, settled: false }],
])('%j means %j', (notice, meaning) => {
  expect(meaningOf(noticeOf(notice))).toEqual(meaning);
});

it('an incident says what it is about, what to type and where to look', () => {
  expect(triggerEvent(noticeOf({ link: 'http://ui/run' }), 'error', AT)).toEqual({
    event_action: 'trigger',
    dedup_key: 'headgate/booking/run-1/7',
    payload: {
      summary: 'booking v1.0.1: staging/check: nobody can tell',
      source: 'booking',
      timestamp: '2026-01-16T12:00:00.000Z',
      severity: 'error',
      component: 'rollout',
      group: 'booking/run-1',
      class: 'waiting',
      custom_details: {
        commands: ['headgate retry booking/run-1 staging/check'],
        lines: ['one', 'two'],
        rollout: 'booking/run-1',
        version: 'v1.0.1',
        startedBy: 'ana',
      },
    },
    client: 'Headgate',
    client_url: 'http://ui/run',
    links: [{ href: 'http://ui/run', text: 'The run in the Temporal UI' }],
  });
});

it('without the address of the UI there is no link, not an empty one', () => {
  const event = JSON.parse(JSON.stringify(triggerEvent(noticeOf(), 'error', AT)));
  expect(event).not.toHaveProperty('links');
  expect(event).not.toHaveProperty('client_url');
  expect(JSON.parse(JSON.stringify(changeEvent(noticeOf(), AT)))).not.toHaveProperty('links');
});

it('every notice of a rollout has a key of its own, within what PagerDuty takes', () => {
  const { context } = noticeOf();
  const longest = { ...context, application: 'a'.repeat(100), runId: '0'.repeat(36) };
  expect(dedupKeyOf({ context: longest, id: '123456' }).length).toBeLessThanOrEqual(255);
  expect(dedupKeyOf({ context, id: '7' })).not.toBe(dedupKeyOf({ context, id: '8' }));
});

it('fits into what PagerDuty takes', () => {
  const lines = Array.from({ length: 500 }, () => '\u0001😀"'.repeat(2_000));
  const event = triggerEvent(noticeOf({ title: '😀'.repeat(2_000), lines }), 'error', AT);
  expect(event.payload.summary.length).toBeLessThanOrEqual(LONGEST_SUMMARY);
  expect(event.payload.summary.isWellFormed()).toBe(true);
  expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThan(512 * 1024);
});
