/** One HTTP request, as a probe or a notifier needs it: bounded in time and size, no redirect followed. */
import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export interface HttpRequest {
  method?: string;
  url: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** For the whole exchange. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** The rest of a longer body is not read; default 1 MiB. */
  maxBodyBytes?: number;
}

export interface HttpResponse {
  status: number;
  /** Lower-case names; repeated ones joined by `, `. */
  headers: Record<string, string>;
  body: string;
  truncated: boolean;
  durationMs: number;
}

/** No answer came. `code` is Node's (`ECONNREFUSED`), or `ETIMEDOUT` when the time was over. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Every request has a connection of its own: a kept one would still lead to the release that was live before.
 * @throws HttpError when no answer came; the signal's reason when aborted
 */
export async function request(options: HttpRequest): Promise<HttpResponse> {
  const startedAt = performance.now();
  const place = describePlace(options);
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  options.signal?.throwIfAborted();
  try {
    const response = await send(options, signal);
    const body = await readBody(response, options.maxBodyBytes ?? 1024 * 1024);
    return {
      status: response.statusCode ?? 0,
      headers: joinHeaders(response),
      ...body,
      durationMs: Math.round(performance.now() - startedAt),
    };
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    if (timeout.aborted) {
      throw new HttpError(`${place}: no complete answer within ${options.timeoutMs} ms`, 'ETIMEDOUT');
    }
    throw describeFailure(place, error);
  }
}

/** Without user, password and query: they may hold a token. */
function describePlace({ method = 'GET', url }: HttpRequest): string {
  if (!URL.canParse(url))
    throw new HttpError(`${method}: not a URL; expected http:// or https://`, 'ERR_INVALID_URL');
  const { protocol, host, pathname } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new HttpError(`${method} ${protocol}//${host}: expected http:// or https://`, 'ERR_INVALID_URL');
  }
  return `${method} ${protocol}//${host}${pathname}`;
}

/**
 * Where clouds tell the machine its own credentials: a plan names addresses, and must not get the worker's role by one.
 * No release answers there.
 */
const OF_THE_MACHINE = new BlockList();
OF_THE_MACHINE.addSubnet('169.254.0.0', 16, 'ipv4'); // link-local: AWS, Google Cloud, Azure, tasks of ECS, pods of EKS
OF_THE_MACHINE.addSubnet('fe80::', 10, 'ipv6');
OF_THE_MACHINE.addSubnet('fd00:ec2::', 32, 'ipv6'); // AWS
OF_THE_MACHINE.addAddress('fd20:ce::254', 'ipv6'); // Google Cloud
OF_THE_MACHINE.addAddress('168.63.129.16', 'ipv4'); // Azure
OF_THE_MACHINE.addAddress('100.100.100.200', 'ipv4'); // Alibaba Cloud
OF_THE_MACHINE.addAddress('192.0.0.192', 'ipv4'); // Oracle Cloud

function isOfTheMachine(address: string): boolean {
  return OF_THE_MACHINE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

class OfTheMachineError extends Error {
  readonly code = 'ERR_INVALID_ADDRESS';

  constructor() {
    super("an address of the machine's own cloud services, where no plan may ask");
  }
}

/** A name is judged by what it leads to at that moment, and that is what is connected to. */
const lookupOthers: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    if (addresses.some(({ address }) => isOfTheMachine(address)))
      return callback(new OfTheMachineError(), []);
    const [first] = addresses;
    if (options.all || !first) return callback(null, addresses);
    return callback(null, first.address, first.family);
  });
};

function send(options: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const url = new URL(options.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && isOfTheMachine(host)) throw new OfTheMachineError();
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const body = options.body === undefined ? undefined : Buffer.from(options.body);
  const headers: Record<string, string> = { 'user-agent': 'headgate', ...options.headers };
  if (body) headers['content-length'] = String(body.length);
  return new Promise((resolve, reject) => {
    const outgoing = start(
      url,
      { method: options.method ?? 'GET', headers, signal, agent: false, lookup: lookupOthers },
      resolve,
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function readBody(
  response: IncomingMessage,
  maxBytes: number,
): Promise<{ body: string; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece = Buffer.from(chunk);
    chunks.push(piece);
    bytes += piece.length;
    if (bytes > maxBytes) {
      response.destroy();
      break;
    }
  }
  const body = Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
  return { body, truncated: bytes > maxBytes };
}

function joinHeaders(response: IncomingMessage): Record<string, string> {
  const entries = Object.entries(response.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ]);
  return Object.fromEntries(entries);
}

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'the connection was closed before the answer was complete',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name could not be looked up',
};

function describeFailure(place: string, error: unknown): HttpError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'EUNKNOWN';
  const why = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  return new HttpError(`${place}: ${why} (${code})`, code);
}
