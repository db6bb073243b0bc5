/**
 * Faults of foreign APIs: a proxy that stands before a real one, passes on what it is asked, fails where a rule says
 * so, and keeps a record of every call.
 */
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from './http-server.js';

export interface ProxiedRequest {
  /** The operation of an AWS API (`PutSecretValue`, `RebootDBInstance`), else method and path. */
  target: string;
  body: string;
}

/**
 * `status 500` and `throttle` answer as AWS does, without asking the API. Cut before forwarding: the API never hears
 * of it. Cut after forwarding: the effect is there and its answer is lost. Slow: forwarded at once, answered late.
 * Nonsense: the effect is there, and the answer is a page of somebody else's. Truncated: the connection ends in the
 * middle of the answer.
 */
export type HttpFault =
  | 'status 500'
  | 'throttle'
  | 'cut before forwarding'
  | 'cut after forwarding'
  | 'nonsense'
  | 'truncated'
  | { slowMs: number };

export interface FaultRule {
  match: (request: ProxiedRequest) => boolean;
  /** How many of the requests that match; all of them when left out. */
  times?: number;
  /** Left out where only `onMatch` is wanted: the request passes. */
  fault?: HttpFault;
  /** Called where the fault strikes: before the API hears of the request, or, cut after forwarding, when it has answered. */
  onMatch?: () => void | Promise<void>;
}

export interface ProxiedCall extends ProxiedRequest {
  fault?: HttpFault;
  /** What the API answered; absent when it was never asked. */
  status?: number;
}

export interface FaultProxy {
  url: string;
  /** In the order in which they came. */
  calls: ProxiedCall[];
  /** The first rule that matches and is not used up strikes. */
  rules: FaultRule[];
  close(): Promise<void>;
}

/** @param origin of the real API: `http://127.0.0.1:5000` */
export async function startFaultProxy(origin: string): Promise<FaultProxy> {
  const calls: ProxiedCall[] = [];
  const rules: FaultRule[] = [];
  const used = new Map<FaultRule, number>();
  const findRule = (call: ProxiedRequest) =>
    rules.find(
      (rule) => (used.get(rule) ?? 0) < (rule.times ?? Number.POSITIVE_INFINITY) && rule.match(call),
    );
  const server = await serve((request, response, body) => {
    const call: ProxiedCall = { target: targetOf(request, body), body };
    const rule = findRule(call);
    if (rule) used.set(rule, (used.get(rule) ?? 0) + 1);
    if (rule?.fault) call.fault = rule.fault;
    calls.push(call);
    carryOut({ origin, request, response, call, rule }).catch(() => response.destroy());
  });
  return { url: server.url, calls, rules, close: () => server.close() };
}

interface Exchange {
  origin: string;
  request: IncomingMessage;
  response: ServerResponse;
  call: ProxiedCall;
  rule: FaultRule | undefined;
}

async function carryOut({ origin, request, response, call, rule }: Exchange): Promise<void> {
  const { fault, onMatch } = rule ?? {};
  if (fault === 'cut after forwarding') {
    call.status = (await ask(origin, request, call.body)).status;
    await onMatch?.();
    response.destroy();
    return;
  }
  await onMatch?.();
  if (fault === 'cut before forwarding') {
    response.destroy();
  } else if (fault === 'status 500' || fault === 'throttle') {
    refuse(request, response, fault);
  } else {
    const answer = await ask(origin, request, call.body);
    call.status = answer.status;
    if (fault === 'nonsense') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>the proxy of somebody</html>');
    } else if (fault === 'truncated') {
      const length = String(answer.body.length);
      response.writeHead(answer.status, { ...answer.headers, 'content-length': length });
      response.write(answer.body.subarray(0, Math.floor(answer.body.length / 2)));
      setImmediate(() => response.destroy());
    } else {
      if (fault) await sleep(fault.slowMs);
      response.writeHead(answer.status, answer.headers).end(answer.body);
    }
  }
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

function ask(origin: string, { method, url, headers }: IncomingMessage, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = forward(new URL(url ?? '/', origin), { method, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const whole = { status: answer.statusCode ?? 502, headers: answer.headers };
        resolve({ ...whole, body: Buffer.concat(chunks) });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** AWS speaks JSON with a target in a header, or XML with an action in a form. */
function targetOf({ method, url, headers }: IncomingMessage, body: string): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.slice(target.lastIndexOf('.') + 1);
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  return (isForm && new URLSearchParams(body).get('Action')) || `${method} ${url}`;
}

function refuse(
  { headers }: IncomingMessage,
  response: ServerResponse,
  fault: 'status 500' | 'throttle',
): void {
  const isJson = headers['x-amz-target'] !== undefined;
  const status = fault === 'throttle' ? 400 : 500;
  const code =
    fault === 'throttle'
      ? isJson
        ? 'ThrottlingException'
        : 'Throttling'
      : isJson
        ? 'InternalServiceError'
        : 'InternalFailure';
  const message = fault === 'throttle' ? 'Rate exceeded' : 'An internal error occurred';
  const body = isJson
    ? JSON.stringify({ __type: code, message })
    : `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>of-the-proxy</RequestId></ErrorResponse>`;
  response
    .writeHead(status, { 'content-type': isJson ? 'application/x-amz-json-1.1' : 'text/xml' })
    .end(body);
}
