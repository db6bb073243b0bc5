/** One request to the API server: bounded in time, ended by its signal, its failures in people's words. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { describeNonsense, describeReply, describeSilence, type KubernetesCall } from './errors.js';
import type { Access } from './kubeconfig.js';

export interface KubernetesRequest {
  call: KubernetesCall;
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  query?: { [key: string]: string | undefined };
  body?: unknown;
  contentType?: string;
  signal: AbortSignal;
}

/** Of an answer that is read whole, and of the first word of one that goes on. */
const TIMEOUT_MS = 10_000;
/** The API server takes no object above 3 MB; a list is read in pages. */
const LONGEST_ANSWER_BYTES = 32 * 1024 * 1024;

/** @returns the JSON of the answer @throws KubernetesError, ApplicationFailure, or the signal's reason */
export async function requestJson<T>(access: Access, request: KubernetesRequest): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await succeed(access, request, AbortSignal.any([request.signal, timeout]));
    return readObject(request.call, await readAll(response)) as T;
  } catch (error) {
    throw translate(request, timeout, error);
  }
}

/** @throws KubernetesError */
export function readObject(call: KubernetesCall, text: string): { [key: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw describeNonsense(call, 'cut off, or is not JSON');
  }
  if (isObject(value)) return value;
  throw describeNonsense(call, 'JSON, but not an object');
}

export function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The lines of an answer as they come, until it ends or `until` is aborted. A longer line than that is cut. */
export async function* requestLines(
  access: Access,
  request: KubernetesRequest,
  { longestLine, until }: { longestLine: number; until?: AbortSignal },
): AsyncGenerator<string> {
  const late = new AbortController();
  const signal = AbortSignal.any([request.signal, late.signal, ...(until ? [until] : [])]);
  const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
  let response: IncomingMessage | undefined;
  try {
    response = await succeed(access, request, signal);
    clearTimeout(timer);
    yield* linesOf(response, longestLine);
  } catch (error) {
    if (until?.aborted && !request.signal.aborted) return;
    throw translate(request, late.signal, error);
  } finally {
    clearTimeout(timer);
    response?.destroy();
  }
}

function translate({ call, signal }: KubernetesRequest, timeout: AbortSignal, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  if (timeout.aborted) return describeSilence(call, 'ETIMEDOUT');
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? describeSilence(call, code) : error;
}

async function succeed(
  access: Access,
  request: KubernetesRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  request.signal.throwIfAborted();
  const response = await send(access, request, signal);
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  throw describeReply(request.call, { status, ...readStatus(await readAll(response)) });
}

async function send(
  access: Access,
  request: KubernetesRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = new URL(access.server + request.path);
  for (const [key, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(key, value);
  }
  const { headers, ...authorized } = await access.authorize();
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sending = start(
      url,
      {
        ...authorized,
        method: request.method,
        signal,
        headers: {
          ...(headers as Record<string, string>),
          accept: 'application/json',
          'user-agent': 'headgate',
          ...(body ? { 'content-type': request.contentType, 'content-length': body.length } : {}),
        },
      },
      resolve,
    );
    sending.on('error', reject);
    sending.end(body);
  });
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LONGEST_ANSWER_BYTES) throw new Error(`The API server answered with more than 32 MB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function readStatus(text: string): { reason?: string; message?: string } {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: unknown; message?: unknown };
    return {
      reason: typeof reason === 'string' ? reason : undefined,
      message: typeof message === 'string' ? message : undefined,
    };
  } catch {
    return { message: text.trim() || undefined };
  }
}

async function* linesOf(response: IncomingMessage, longest: number): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = (parts.pop() ?? '').slice(0, longest);
    for (const line of parts) yield line.slice(0, longest);
  }
  if (rest !== '') yield rest;
}
