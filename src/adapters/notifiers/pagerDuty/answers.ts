/** What PagerDuty's answers mean for a notice: is it worth repeating, when, and what would mend it. */
import { z } from 'zod';
import { invalid } from '../../../platform/failures.js';
import type { HttpResponse } from '../../../platform/http.js';
import { parseJson, readRetryAfter, throttled } from '../post.js';
import { oneLine } from '../text.js';

const LONGEST_REASON = 500;

const refused = z.object({
  message: z.string(),
  errors: z.union([z.array(z.string()), z.string()]).optional(),
});

/**
 * The failure to throw for anything but 202.
 * @param routingKey taken out of what PagerDuty says
 */
export function describeRefusal({ status, headers, body }: HttpResponse, routingKey: string): Error {
  if (status === 429) return throttled('PagerDuty wants fewer events (429)', readRetryAfter(headers));
  if (status >= 500 || status === 408) return new Error(`PagerDuty is in trouble (${status})`);
  if (status >= 300 && status < 400) {
    return invalid(
      `PagerDuty answers with a redirect (${status}), which is not followed. Mend url of the notifier in the plan: https://events.pagerduty.com, or https://events.eu.pagerduty.com.`,
    );
  }
  if (status < 300) {
    return new Error(
      `PagerDuty: status ${status} instead of 202 is none of its API; something else may answer in its place`,
    );
  }
  const reason = readReason(body).replaceAll(routingKey, '[redacted]');
  return invalid(
    `PagerDuty refuses the event: ${oneLine(reason, LONGEST_REASON) || `status ${status}`}. Give the worker the integration key of a service (Events API v2), and check url in the plan.`,
  );
}

/** Its own words; nothing of a page of something in between. */
function readReason(body: string): string {
  const parsed = refused.safeParse(parseJson(body));
  if (!parsed.success) return '';
  const { message, errors = [] } = parsed.data;
  return [message, ...[errors].flat()].join(': ');
}
