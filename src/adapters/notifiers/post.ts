/** Sending JSON on behalf of a notifier, and what its receivers have in common. */
import { ApplicationFailure } from '@temporalio/common';
import { invalid } from '../../platform/failures.js';
import { HttpError, type HttpResponse, request } from '../../platform/http.js';

export interface Post {
  /** Who is told; begins every error. */
  what: string;
  /** Default `POST`. */
  method?: 'GET' | 'PATCH' | 'POST';
  url: string;
  bearer?: string;
  headers?: Record<string, string>;
  body?: unknown;
  signal: AbortSignal;
  /** As in `HttpRequest`. */
  maxBodyBytes?: number;
}

const TIMEOUT_MS = 10_000;
/** When a receiver does not say how long it wants to be left alone. */
const DEFAULT_DELAY_MS = 30_000;
const LONGEST_DELAY_MS = 3_600_000;

/**
 * The answer, whatever its status. No error says more of the address than its host: the path of a webhook is its
 * password.
 * @throws ApplicationFailure `Invalid` when it is no address; Error when no answer came; the signal's reason
 */
export async function sendJson({
  what,
  url,
  bearer,
  headers,
  body,
  ...options
}: Post): Promise<HttpResponse> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`${what}: its address does not begin with http:// or https://; mend it in the plan.`);
  }
  const authorization = bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` };
  const contentType = body === undefined ? undefined : { 'content-type': 'application/json; charset=utf-8' };
  try {
    return await request({
      method: 'POST',
      ...options,
      url,
      headers: { ...contentType, ...headers, ...authorization },
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
    });
  } catch (error) {
    options.signal.throwIfAborted();
    const code = error instanceof HttpError ? error.code : 'EUNKNOWN';
    throw new Error(`${what}: no answer from ${new URL(url).host} (${code})`);
  }
}

/** What somebody else wrote; undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The failure for a receiver that wants fewer messages; `delayMs` is kept between a second and an hour. */
export function throttled(message: string, delayMs: number): ApplicationFailure {
  const nextRetryDelay = Math.min(Math.max(delayMs, 1_000), LONGEST_DELAY_MS);
  return ApplicationFailure.create({ type: 'Throttled', message, nextRetryDelay });
}

/** How long a receiver asks to be left alone (`Retry-After`, in seconds); `defaultMs` when it does not say. */
export function readRetryAfter(
  headers: HttpResponse['headers'],
  defaultMs: number = DEFAULT_DELAY_MS,
): number {
  const ms = Number(headers['retry-after']) * 1000;
  return ms > 0 ? ms : defaultMs;
}
