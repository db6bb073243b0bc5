/**
 * Where no real PagerDuty runs: a double of the Events API v2, checked against its published description
 * (test/fixtures/pagerduty-openapi.json) and the limits of its documentation: summary 1,024 characters, dedup_key 255,
 * event 512 KB, a key for whatever is not a trigger. A trigger whose key is open is logged there; once resolved, the
 * same key opens anew.
 */
import type { IncomingMessage } from 'node:http';
import { type LocalServer, serve } from './http-server.js';
import { createRequestCheck } from './openapi.js';

export interface PagerDutyIncident {
  key: string;
  open: boolean;
  triggers: number;
  event: PagerDutyEvent;
}

export interface PagerDutyEvent {
  routing_key: string;
  event_action?: string;
  dedup_key?: string;
  client_url?: string;
  links?: { href: string; text?: string }[];
  payload?: {
    summary: string;
    severity?: string;
    group?: string;
    class?: string;
    custom_details: { lines: string[]; commands: string[] };
  };
}

export interface PagerDutyApi extends LocalServer {
  incidents: PagerDutyIncident[];
  changes: PagerDutyEvent[];
  /** Answered instead, once for each entry; with `lost` what was sent is carried out all the same. */
  failures: { status: number; body: string; headers?: Record<string, string>; lost?: boolean }[];
}

export const ROUTING_KEY = 'canary0routing0key0of0thirty0two';
const LARGEST_EVENT = 512 * 1024;
const check = createRequestCheck('pagerduty-openapi.json');

export async function startPagerDutyApi(): Promise<PagerDutyApi> {
  const server = await serve((request, response, body) => {
    const failure = api.failures.shift();
    const answered = failure && !failure.lost ? failure : answer(api, request, body);
    const { status, headers, body: text } = failure ?? answered;
    response.writeHead(status, headers ?? {}).end(text);
  });
  const api: PagerDutyApi = { ...server, incidents: [], changes: [], failures: [] };
  return api;
}

interface Reply {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

function answer(api: PagerDutyApi, { method = '', url = '', headers }: IncomingMessage, text: string): Reply {
  if (!headers['content-type']?.startsWith('application/json')) return refuse('not JSON');
  if (!url.startsWith('/v2/')) return { status: 404, body: '' };
  if (Buffer.byteLength(text) > LARGEST_EVENT) return { status: 413, body: '' };
  const event: PagerDutyEvent = JSON.parse(text);
  const faults = [...check({ method, path: url.slice('/v2'.length), body: event }), ...checkLimits(event)];
  if (faults.length > 0) return refuse(...faults);
  if (url === '/v2/change/enqueue') api.changes.push(event);
  else enqueue(api, event);
  return { status: 202, body: JSON.stringify({ status: 'success', message: 'Event processed' }) };
}

function checkLimits({ routing_key, event_action, dedup_key = '', payload }: PagerDutyEvent): string[] {
  return [
    ...(routing_key.length === 32 ? [] : ["Length of 'routing_key' is incorrect (should be 32 characters)"]),
    ...(routing_key.length === 32 && routing_key !== ROUTING_KEY ? [`unknown key ${routing_key}`] : []),
    ...(dedup_key.length > 255 ? ["'dedup_key' is too long"] : []),
    ...((payload?.summary.length ?? 0) > 1_024 ? ["'payload.summary' is too long"] : []),
    ...(event_action === 'trigger' && !payload ? ["'payload' is missing or blank"] : []),
    ...(event_action === 'resolve' && dedup_key === '' ? ["'dedup_key' is missing or blank"] : []),
  ];
}

function enqueue({ incidents }: PagerDutyApi, event: PagerDutyEvent): void {
  const { event_action: action, dedup_key: key = '' } = event;
  const open = incidents.find((incident) => incident.open && incident.key === key);
  if (action === 'trigger' && open) open.triggers += 1;
  else if (action === 'trigger') incidents.push({ key, open: true, triggers: 1, event });
  else if (action === 'resolve' && open) open.open = false;
}

function refuse(...errors: string[]): Reply {
  return {
    status: 400,
    body: JSON.stringify({ status: 'invalid event', message: 'Event object is invalid', errors }),
  };
}
