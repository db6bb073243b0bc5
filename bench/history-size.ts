/** What the bytes of a history are spent on. Pure. */
import proto from '@temporalio/proto';
import type { History } from '../test/support/histories.js';
import type { Breakdown } from './row.js';

const SHOWN = 20;
const { HistoryEvent } = proto.temporal.api.history.v1;
const { EventType } = proto.temporal.api.enums.v1;

type Event = NonNullable<History['events']>[number];

/** By event type, and by activity where there is one; the largest first. */
export function breakDown(title: string, history: History): Breakdown {
  const events = history.events ?? [];
  const activities = new Map(
    events.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled ? [[String(eventId), scheduled.activityType?.name ?? '']] : [],
    ),
  );
  const spent = new Map<string, { events: number; bytes: number }>();
  for (const event of events) {
    const key = `${typeOf(event)} ${activityOf(event, activities)}`.trim();
    const sum = spent.get(key) ?? { events: 0, bytes: 0 };
    spent.set(key, { events: sum.events + 1, bytes: sum.bytes + bytesOf(event) });
  }
  const all = [...spent].sort(([, a], [, b]) => b.bytes - a.bytes);
  return {
    title,
    columns: ['event', 'events', 'bytes'],
    rows: [...all.slice(0, SHOWN), ...restOf(all.slice(SHOWN))].map(([key, sum]) => [
      key,
      sum.events,
      sum.bytes,
    ]),
  };
}

type Spent = [string, { events: number; bytes: number }];

function restOf(rest: Spent[]): Spent[] {
  if (rest.length === 0) return [];
  const events = rest.reduce((sum, [, each]) => sum + each.events, 0);
  const bytes = rest.reduce((sum, [, each]) => sum + each.bytes, 0);
  return [[`${rest.length} more`, { events, bytes }]];
}

function bytesOf(event: Event): number {
  return HistoryEvent.encode(event).finish().length;
}

function typeOf({ eventType }: Event): string {
  return (EventType[eventType ?? 0] ?? 'unknown').replace('EVENT_TYPE_', '').toLowerCase();
}

/** Only what was put in and what came out: of the events in between, all are alike. */
function activityOf(event: Event, activities: Map<string, string>): string {
  const { activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed } =
    event;
  if (scheduled) return scheduled.activityType?.name ?? '';
  return activities.get(String(completed?.scheduledEventId)) ?? '';
}
