/** Asking the application which version it is. */
import { type HttpResponse, request } from '../../../platform/http.js';
import type { TargetCall } from '../target.js';
import { parseJson } from './answers.js';
import { sleep } from './pace.js';
import type { Config } from './schema.js';

const TIMEOUT_MS = 3_000;
/** A release that is just being switched may miss one. */
const TRIES = 2;
const BETWEEN_MS = 500;

export type Said = { version: string } | { silent: string };

/** What the application says, or why it does not. Rejects only with the signal's reason. */
export async function askVersion(
  live: NonNullable<Config['live']>,
  signal: TargetCall<Config>['signal'],
): Promise<Said> {
  for (let attempt = 1; ; attempt += 1) {
    const said = await askOnce(live, signal);
    if ('version' in said || attempt === TRIES) return said;
    await sleep(BETWEEN_MS, signal);
  }
}

async function askOnce(
  { url, bearer, path = 'version' }: NonNullable<Config['live']>,
  signal: AbortSignal,
): Promise<Said> {
  let response: HttpResponse;
  try {
    const authorization = bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` };
    const headers = { accept: 'application/json', ...authorization };
    response = await request({ url, headers, timeoutMs: TIMEOUT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    return {
      silent: `the application does not say its version: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const place = `GET ${new URL(url).origin}${new URL(url).pathname}`;
  if (response.status !== 200) {
    return {
      silent: `the application does not say its version: ${place}: status ${response.status}, expected 200`,
    };
  }
  const version = lookUp(parseJson(response.body), path);
  if (typeof version === 'string' && version !== '') return { version };
  return { silent: `the application does not say its version: ${place} has no text at "${path}"` };
}

function lookUp(value: unknown, path: string): unknown {
  let here: unknown = value;
  for (const part of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, part)) return undefined;
    here = Reflect.get(here, part);
  }
  return here;
}
