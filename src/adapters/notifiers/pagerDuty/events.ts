/** A notice as events of PagerDuty's Events API v2. Pure. */
import type { Notification } from '../notifier.js';
import { fitLines, fullTitle, oneLine } from '../text.js';

/** PagerDuty's own limit. */
export const LONGEST_SUMMARY = 1_024;
const LONGEST_LINE = 1_000;
/** All lines together. An event may have 512 KB, in which a sign takes six bytes at most. */
const LONGEST_DETAILS = 60_000;

export type Severity = 'critical' | 'error' | 'warning';

/** What a notice means for the on-call. */
export type Meaning =
  /** Somebody is needed, or ought to know at once. */
  | { incident: Severity }
  /** Something changed; nobody is paged. `settled` ends the incident that is open. */
  | { change: true; settled: boolean };

/**
 * A rollback goes by itself and is worth a look; a question waits for an answer; what could not be restored is an
 * outage or about to be one. A rollout that goes on has had its question answered.
 */
export function meaningOf({ moment, outcome, thread }: Notification): Meaning {
  switch (moment) {
    case 'rollback':
      return { incident: 'warning' };
    case 'waiting':
      return { incident: 'error' };
    case 'rollbackIncomplete':
      return { incident: 'critical' };
    case 'outcome': {
      if (outcome !== 'rollbackIncomplete') return { change: true, settled: outcome !== undefined };
      // What is left is still to be mended. Whoever accepted it has been paged for it before.
      return thread === undefined ? { incident: 'critical' } : { change: true, settled: false };
    }
    case 'started':
    case 'approval':
      return { change: true, settled: true };
  }
}

/** One for each notice: a second question pages again, a repetition of the first does not. */
export function dedupKeyOf({ context, id }: Pick<Notification, 'context' | 'id'>): string {
  return `headgate/${context.application}/${context.runId}/${id}`;
}

export function triggerEvent(notification: Notification, severity: Severity, nowMs: number) {
  const { context, link, moment } = notification;
  return {
    event_action: 'trigger',
    dedup_key: dedupKeyOf(notification),
    payload: {
      ...payloadOf(notification, nowMs),
      severity,
      component: 'rollout',
      group: `${context.application}/${context.runId}`,
      class: moment,
    },
    client: 'Headgate',
    client_url: link,
    links: linksOf(notification),
  };
}

export function resolveEvent(dedupKey: string) {
  return { event_action: 'resolve', dedup_key: dedupKey };
}

export function changeEvent(notification: Notification, nowMs: number) {
  return { payload: payloadOf(notification, nowMs), links: linksOf(notification) };
}

function payloadOf(notification: Notification, nowMs: number) {
  const { context, lines, commands } = notification;
  const { application, version, runId, startedBy } = context;
  return {
    summary: oneLine(fullTitle(notification), LONGEST_SUMMARY),
    source: application,
    timestamp: new Date(nowMs).toISOString(),
    custom_details: {
      commands,
      lines: fitLines(
        lines.map((line) => oneLine(line, LONGEST_LINE)),
        LONGEST_DETAILS,
      ),
      rollout: `${application}/${runId}`,
      version,
      startedBy,
    },
  };
}

function linksOf({ link }: Notification) {
  return link === undefined ? undefined : [{ href: link, text: 'The run in the Temporal UI' }];
}
