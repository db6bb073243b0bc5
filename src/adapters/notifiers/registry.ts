/** Every kind of notifier that this version has: one folder, one line. */
import type { ZodType } from 'zod';
import type { Json } from '../../plan/resolved.js';
import type { Notification, Notifier } from './notifier.js';
import { createWebhookNotifier } from './webhook/index.js';
import { schema as webhookSchema } from './webhook/schema.js';

/** A notifier whose configuration is checked before it is used. */
export interface CheckedNotifier {
  kind: string;
  /** @throws Error when it is not configured right, or was not delivered */
  notify(config: { [key: string]: Json }, notification: Notification, signal: AbortSignal): Promise<void>;
}

export type Notifiers = ReadonlyMap<string, CheckedNotifier>;

export function createNotifiers({ now = Date.now }: { now?: () => number } = {}): Notifiers {
  const notifiers = [checked(webhookSchema, createWebhookNotifier(now))];
  return new Map(notifiers.map((notifier) => [notifier.kind, notifier]));
}

function checked<Config>(schema: ZodType<Config>, notifier: Notifier<Config>): CheckedNotifier {
  return {
    kind: notifier.kind,
    async notify(config, notification, signal) {
      const parsed = schema.safeParse(config);
      if (parsed.success) return notifier.notify(parsed.data, notification, signal);
      const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
      throw new Error(`${notifier.kind} is not configured right: ${faults.join('; ')}`);
    },
  };
}
