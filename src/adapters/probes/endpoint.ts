/** Asking an HTTP endpoint on behalf of a probe, and what it means when no answer comes. */
import type { Subject } from '../../contract/activities.js';
import type { Json } from '../../plan/resolved.js';
import { HttpError, type HttpRequest, type HttpResponse, request } from '../../platform/http.js';
import { parseEvidence } from '../../platform/json.js';
import type { Sample } from './probe.js';

/** A sample that is no sample: why there is nothing to judge. */
export type NoSample = Exclude<Sample, { kind: 'sample' }>;

export interface EndpointCall extends Omit<HttpRequest, 'signal'> {
  bearer?: string;
  subject: Subject;
  signal: AbortSignal;
}

/**
 * No answer from the release that is judged is a `fail` of that release; from anything else it is an `error` of
 * the measuring. Rejects only with the signal's reason.
 */
export async function callEndpoint({
  bearer,
  subject,
  ...call
}: EndpointCall): Promise<HttpResponse | NoSample> {
  const authorization = bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` };
  try {
    return await request({
      ...call,
      headers: { accept: 'application/json', ...call.headers, ...authorization },
    });
  } catch (error) {
    call.signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    const answered = error instanceof HttpError && !isOurFault(error.code);
    return { kind: answered && isRelease(call.url, subject) ? 'fail' : 'error', message };
  }
}

export interface JsonReply {
  kind: 'sample';
  value: { [key: string]: Json };
}

/** The answer of an administrative endpoint: 200 with a JSON object, or why not. */
export async function readJsonEndpoint(call: EndpointCall): Promise<JsonReply | NoSample> {
  const reply = await callEndpoint(call);
  if ('kind' in reply) return reply;
  const place = `GET ${placeOf(call.url)}`;
  if (reply.status !== 200) return explainStatus(place, reply.status, isRelease(call.url, call.subject));
  if (reply.truncated) return { kind: 'inconclusive', message: `${place}: the answer is longer than 1 MiB` };
  const body = parseEvidence(reply.body);
  if (isObject(body)) return { kind: 'sample', value: body };
  return {
    kind: 'inconclusive',
    message: `${place}: expected a JSON object, found ${describeBody(body, reply.body)}`,
  };
}

/** Whether `url` leads to the release that is judged. */
export function isRelease(url: string, { release }: Subject): boolean {
  if (!release || !URL.canParse(url) || !URL.canParse(release.url)) return false;
  return new URL(url).origin === new URL(release.url).origin;
}

/** `undefined` when it is not JSON. What is judged is read by `parseEvidence`. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Nothing was sent: the URL or a header cannot be. */
function isOurFault(code: string): boolean {
  return /^ERR_(INVALID|HTTP_INVALID|UNESCAPED)/.test(code);
}

function explainStatus(place: string, status: number, ofRelease: boolean): NoSample {
  const found = `${place}: status ${status}, expected 200`;
  if (status === 401 || status === 403) {
    return { kind: 'error', message: `${found}; the token in "bearer" is missing, wrong or lacks the right` };
  }
  if (status === 404) return { kind: 'error', message: `${found}; check the path in "url"` };
  return { kind: status >= 500 && ofRelease ? 'fail' : 'error', message: found };
}

function describeBody(body: Json | undefined, text: string): string {
  if (text === '') return 'an empty answer';
  return body === undefined
    ? 'something that is not JSON, or holds a key twice'
    : `JSON that is ${Array.isArray(body) ? 'a list' : 'a bare value'}`;
}

function placeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
