/** Every kind of notifier that this version has: one folder, one line. */
import type { ZodType } from 'zod';
import type { Json } from '../../plan/resolved.js';
import { invalid } from '../../platform/failures.js';
import { createGithubIssueNotifier } from './githubIssue/index.js';
import { schema as githubIssueSchema } from './githubIssue/schema.js';
import type { Delivery, Notification, Notifier } from './notifier.js';
import { createPagerDutyNotifier } from './pagerDuty/index.js';
import { schema as pagerDutySchema } from './pagerDuty/schema.js';
import { createSlackNotifier } from './slack/index.js';
import { schema as slackSchema } from './slack/schema.js';
import { createWebhookNotifier } from './webhook/index.js';
import { schema as webhookSchema } from './webhook/schema.js';

/** A notifier whose configuration is checked before it is used. */
export interface CheckedNotifier {
  kind: string;
  /** As `Notifier.notify`; a configuration that the schema does not accept is `Invalid`. */
  notify(config: { [key: string]: Json }, notification: Notification, signal: AbortSignal): Promise<Delivery>;
}

export type Notifiers = ReadonlyMap<string, CheckedNotifier>;

export function createNotifiers({ now = Date.now }: { now?: () => number } = {}): Notifiers {
  const notifiers = [
    checked(githubIssueSchema, createGithubIssueNotifier(now)),
    checked(pagerDutySchema, createPagerDutyNotifier(now)),
    checked(slackSchema, createSlackNotifier()),
    checked(webhookSchema, createWebhookNotifier(now)),
  ];
  return new Map(notifiers.map((notifier) => [notifier.kind, notifier]));
}

/** Puts the schema of its folder in front of a notifier. */
export function checked<Config>(schema: ZodType<Config>, notifier: Notifier<Config>): CheckedNotifier {
  return {
    kind: notifier.kind,
    async notify(config, notification, signal) {
      const parsed = schema.safeParse(config);
      if (parsed.success) return notifier.notify(parsed.data, notification, signal);
      const faults = parsed.error.issues.map(
        ({ path, message }) => `${path.join('.') || notifier.kind}: ${message}`,
      );
      throw invalid(`${notifier.kind} is not configured right: ${faults.join('; ')}`);
    },
  };
}
