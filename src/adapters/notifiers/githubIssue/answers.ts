/** What GitHub's answers mean for a notice: is it worth repeating, when, and what would mend it. */
import { z } from 'zod';
import { invalid } from '../../../platform/failures.js';
import type { HttpResponse } from '../../../platform/http.js';
import { parseJson, readRetryAfter, throttled } from '../post.js';
import { oneLine } from '../text.js';

const LONGEST_REASON = 300;
/** What GitHub asks for after a secondary limit that says no time. */
const SECONDARY_DELAY_MS = 60_000;

const refused = z.object({ message: z.string(), errors: z.array(z.unknown()).optional() });
const fault = z.object({
  field: z.string().optional(),
  code: z.string().optional(),
  message: z.string().optional(),
});

/** The failure to throw for an answer that is not the one awaited. */
export function describeRefusal(response: HttpResponse, repository: string, nowMs: number): Error {
  const { status } = response;
  const reason = readReason(response.body);
  const delayMs = delayOf(response, reason, nowMs);
  if (delayMs !== undefined) return throttled(`GitHub wants fewer requests (${status})`, delayMs);
  if (status >= 500 || status === 408) return new Error(`GitHub is in trouble (${status})`);
  if (status < 300) {
    return new Error(
      `GitHub: the answer (${status}) is cut off or none of its API; something else may answer in its place`,
    );
  }
  return invalid(
    `GitHub refuses the issue (${status}${reason ? `, ${reason}` : ''}). ${mendOf(status, repository)}`,
  );
}

function mendOf(status: number, repository: string): string {
  switch (status) {
    case 401:
      return 'Give the worker a valid token; this one is wrong, revoked or has expired.';
    case 403:
      return `Give the token the right to write issues of ${repository}: "Issues: read and write", or the scope repo of a classic one. An archived repository takes none.`;
    case 404:
      return `There is no ${repository}, or the token may not see it. Check repository and baseUrl in the plan, and what the token may do.`;
    case 410:
      return `Turn the issues of ${repository} on in its settings, or name another repository in the plan.`;
    default:
      if (status < 400)
        return `${repository} has moved: name where it is now in the plan. A redirect is not followed.`;
      return 'Check repository, labels and baseUrl of the notifier in the plan.';
  }
}

/** Both limits come as 403 or 429. https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api */
function delayOf({ status, headers }: HttpResponse, reason: string, nowMs: number): number | undefined {
  if (status !== 403 && status !== 429) return undefined;
  if (headers['retry-after'] !== undefined) return readRetryAfter(headers, SECONDARY_DELAY_MS);
  const resetMs = Number(headers['x-ratelimit-reset']) * 1000;
  if (headers['x-ratelimit-remaining'] === '0' && resetMs > 0) return resetMs - nowMs + 1_000;
  return status === 429 || /rate limit/i.test(reason) ? SECONDARY_DELAY_MS : undefined;
}

/** Its own words, which name fields and codes; nothing of a page of something in between. */
function readReason(body: string): string {
  const parsed = refused.safeParse(parseJson(body));
  if (!parsed.success) return '';
  const { message, errors = [] } = parsed.data;
  return oneLine(
    [message, ...errors.map(readFault)].filter((text) => text !== '').join(': '),
    LONGEST_REASON,
  );
}

function readFault(error: unknown): string {
  if (typeof error === 'string') return error;
  const { data } = fault.safeParse(error);
  return [data?.field, data?.message ?? data?.code].filter((text) => text !== undefined).join(' ');
}
