/** What a registry wants to see before it answers, by the challenge of its 401. */
import { z } from 'zod';
import { type HttpRequest, request } from '../../platform/http.js';
import type { Credential } from './credentials.js';
import { type ImageName, isSafe } from './image-name.js';

const tokenSchema = z
  .object({ token: z.string().optional(), access_token: z.string().optional() })
  .transform(({ token, access_token }) => token ?? access_token)
  .pipe(z.string().min(1));

/**
 * The `Authorization` to come back with; undefined when there is nothing to come back with.
 * @throws Error without any secret
 */
export async function answerChallenge(
  challenge: string,
  credential: Credential | undefined,
  { registry, repository }: ImageName,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<string | undefined> {
  const [scheme = '', ...rest] = challenge.split(' ');
  if (/^basic$/i.test(scheme)) return credential && basic(credential);
  if (!/^bearer$/i.test(scheme)) return undefined;
  const { realm, service, scope } = parametersOf(rest.join(' '));
  if (realm === undefined || !URL.canParse(realm))
    throw new Error('it asks for a token and does not say where');
  const url = new URL(realm);
  if (!isSafe(url, registry)) {
    throw new Error(`it asks for a token over plain HTTP (${url.host}), where no login is sent`);
  }
  const asked = { ...(service ? { service } : {}), scope: scope ?? `repository:${repository}:pull` };
  const response = await request({ ...tokenRequest(url, asked, credential), ...options });
  if (response.status !== 200) {
    throw new Error(
      `${url.host} gives no token for it (${response.status})${hint(response.status, credential)}`,
    );
  }
  return `Bearer ${readToken(response.body, url.host)}`;
}

export function hint(status: number, credential: Credential | undefined): string {
  if (status !== 401 && status !== 403) return '';
  return credential
    ? ": the worker's login is not accepted, or may not pull it. Log in again as the worker's user: docker login"
    : ": nobody has logged in there as the worker's user. Run docker login, or name a credential helper";
}

function tokenRequest(
  url: URL,
  asked: Record<string, string>,
  credential: Credential | undefined,
): Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'> {
  if (credential && 'identityToken' in credential) {
    const form = { ...asked, client_id: 'headgate', grant_type: 'refresh_token' };
    return {
      method: 'POST',
      url: url.href,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...form, refresh_token: credential.identityToken }).toString(),
    };
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  const authorization = credential && basic(credential);
  return { url: url.href, ...(authorization ? { headers: { authorization } } : {}) };
}

function basic(credential: Credential): string | undefined {
  if ('identityToken' in credential) return undefined;
  const { user, password } = credential;
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function readToken(body: string, host: string): string {
  try {
    return tokenSchema.parse(JSON.parse(body));
  } catch {
    throw new Error(`${host} answers with something else than a token`);
  }
}

/** `realm="https://…",service="…",scope="…"` */
function parametersOf(text: string): { [name: string]: string | undefined } {
  const entries = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]);
  return Object.fromEntries(entries);
}
