/**
 * Events of PagerDuty. At most one incident of a rollout is open, and it says what the rollout needs now: a new one
 * ends the one before it, the outcome ends the last. Every event but a change event carries a key of its own notice,
 * so that repeating it opens nothing twice.
 */
import type { Notifier } from '../notifier.js';
import { sendJson } from '../post.js';
import { describeRefusal } from './answers.js';
import { changeEvent, dedupKeyOf, meaningOf, resolveEvent, triggerEvent } from './events.js';
import type { Config } from './schema.js';

/** As a thread it gives the key of the incident that it opened. */
export function createPagerDutyNotifier(now: () => number): Notifier<Config> {
  return {
    kind: 'pagerDuty',
    async notify({ routingKey, url = 'https://events.pagerduty.com' }, notification, signal) {
      const send = async (path: string, event: object): Promise<void> => {
        const body = { routing_key: routingKey, ...event };
        const address = `${url.replace(/\/+$/, '')}/v2/${path}`;
        const response = await sendJson({ what: 'PagerDuty', url: address, body, signal });
        if (response.status !== 202) throw describeRefusal(response, routingKey);
      };
      const { thread } = notification;
      const meaning = meaningOf(notification);
      if ('incident' in meaning) {
        const key = dedupKeyOf(notification);
        await send('enqueue', triggerEvent(notification, meaning.incident, now()));
        if (thread !== undefined && thread !== key) await send('enqueue', resolveEvent(thread));
        return { thread: key };
      }
      if (meaning.settled && thread !== undefined) await send('enqueue', resolveEvent(thread));
      // Last, for it has no key: what fails before it must not list the change twice.
      await send('change/enqueue', changeEvent(notification, now()));
      return {};
    },
  };
}
