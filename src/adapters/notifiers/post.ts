/** Sending JSON on behalf of a notifier. */
import { invalid } from '../../platform/failures.js';
import { HttpError, type HttpResponse, request } from '../../platform/http.js';

export interface Post {
  /** Who is told; begins every error. */
  what: string;
  url: string;
  bearer?: string;
  body: unknown;
  signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/**
 * The answer, whatever its status. No error says more of the address than its host: the path of a webhook is its
 * password.
 * @throws ApplicationFailure `Invalid` when it is no address; Error when no answer came; the signal's reason
 */
export async function postJson({ what, url, bearer, body, signal }: Post): Promise<HttpResponse> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw invalid(`${what}: its address does not begin with http:// or https://; mend it in the plan.`);
  }
  const authorization = bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` };
  try {
    return await request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json; charset=utf-8', ...authorization },
      body: JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof HttpError ? error.code : 'EUNKNOWN';
    throw new Error(`${what}: no answer from ${new URL(url).host} (${code})`);
  }
}
