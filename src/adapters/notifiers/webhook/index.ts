/** A notice as JSON to any URL. */
import { request } from '../../../platform/http.js';
import type { Notification, Notifier } from '../notifier.js';
import type { Config } from './schema.js';

const TIMEOUT_MS = 10_000;

/** Posts `{ application, version, rollout, moment, title, lines, at }`. Throws on anything but a 2xx. */
export function createWebhookNotifier(now: () => number): Notifier<Config> {
  return {
    kind: 'webhook',
    async notify({ url }, notification, signal) {
      const { status } = await request({
        method: 'POST',
        url,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(compose(notification, now())),
        timeoutMs: TIMEOUT_MS,
        signal,
      });
      if (status >= 200 && status < 300) return;
      throw new Error(`webhook at ${new URL(url).host}: status ${status}, expected 2xx`);
    },
  };
}

function compose({ context, moment, title, lines }: Notification, nowMs: number) {
  const { application, version, runId } = context;
  const at = new Date(nowMs).toISOString();
  return { application, version, rollout: `${application}/${runId}`, moment, title, lines, at };
}
