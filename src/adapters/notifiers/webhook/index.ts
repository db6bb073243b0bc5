/** A notice as JSON to any URL. */
import type { Notification, Notifier } from '../notifier.js';
import { sendJson } from '../post.js';
import type { Config } from './schema.js';

/**
 * Posts `{ application, version, rollout, thread, moment, title, lines, commands, link, at }`; `thread` is the same in all
 * notices of a rollout, `link` is there when the worker knows where the Temporal UI is. Throws on anything but a 2xx.
 */
export function createWebhookNotifier(now: () => number): Notifier<Config> {
  return {
    kind: 'webhook',
    async notify({ url }, notification, signal) {
      const body = compose(notification, now());
      const { status } = await sendJson({ what: 'webhook', url, body, signal });
      if (status >= 200 && status < 300) return {};
      throw new Error(`webhook at ${new URL(url).host}: status ${status}, expected 2xx`);
    },
  };
}

function compose({ context, moment, title, lines, commands, link }: Notification, nowMs: number) {
  const { application, version, runId } = context;
  const rollout = `${application}/${runId}`;
  const at = new Date(nowMs).toISOString();
  return { application, version, rollout, thread: rollout, moment, title, lines, commands, link, at };
}
