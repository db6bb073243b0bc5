/**
 * Where no real Slack runs: a double of chat.postMessage and of incoming webhooks, checked against Slack's published
 * description: POST, JSON with its charset, a bot token as bearer, `channel` and `text` required, a `thread_ts` of
 * Slack's form, `reply_broadcast` with a thread only, refusals with status 200. A reply to a message that is not there
 * (any more) is posted into the channel, as Slack does.
 */
import type { IncomingMessage } from 'node:http';
import { type LocalServer, serve } from './http-server.js';

export interface SlackMessage {
  ts: string;
  channel: string;
  text: string;
  thread?: string;
  broadcast: boolean;
}

export interface SlackApi extends LocalServer {
  /** For `createSlackNotifier`. */
  baseUrl: string;
  webhookUrl: string;
  messages: SlackMessage[];
  /** Answered instead, once for each entry. */
  failures: { status: number; body: string; headers?: Record<string, string> }[];
}

export const SLACK_TOKEN = 'xoxb-canary-token';
const CHANNELS: Record<string, string> = { '#deploys': 'C0123456789', C0123456789: 'C0123456789' };
const HOOK_PATH = '/services/T00000000/B00000000/canaryOfTheHook';

export async function startSlackApi(): Promise<SlackApi> {
  const server = await serve((request, response, body) => {
    const reply = api.failures.shift() ?? answer(api, request, body);
    response.writeHead(reply.status, reply.headers ?? {}).end(reply.body);
  });
  const api: SlackApi = {
    ...server,
    baseUrl: `${server.url}/api`,
    webhookUrl: `${server.url}${HOOK_PATH}`,
    messages: [],
    failures: [],
  };
  return api;
}

interface Reply {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

function answer(api: SlackApi, { method, url, headers }: IncomingMessage, text: string): Reply {
  const isJson = headers['content-type'] === 'application/json; charset=utf-8';
  if (method !== 'POST' || !isJson) return { status: 400, body: 'invalid_payload' };
  const body: Record<string, unknown> = JSON.parse(text);
  if (url === HOOK_PATH) return answerHook(api, body);
  if (url !== '/api/chat.postMessage') return refuse('unknown_method');
  return headers.authorization === `Bearer ${SLACK_TOKEN}` ? post(api, body) : refuse('invalid_auth');
}

function answerHook(api: SlackApi, { text, ...rest }: Record<string, unknown>): Reply {
  if (typeof text !== 'string' || text === '' || Object.keys(rest).length > 0) {
    return { status: 400, body: 'no_text' };
  }
  remember(api, { channel: 'of the hook', text, broadcast: false });
  return { status: 200, body: 'ok' };
}

function post(api: SlackApi, body: Record<string, unknown>): Reply {
  const { channel: name, text, thread_ts: wanted, reply_broadcast: broadcast, unfurl_links: unfurl } = body;
  const channel = CHANNELS[String(name)];
  if (channel === undefined) return refuse('channel_not_found');
  if (typeof text !== 'string' || text === '') return refuse('no_text');
  if (text.length > 40_000) return refuse('msg_too_long');
  if (wanted !== undefined && (typeof wanted !== 'string' || !/^\d{10}\.\d{6}$/.test(wanted))) {
    return refuse('invalid_arguments');
  }
  if (broadcast !== undefined && (wanted === undefined || typeof broadcast !== 'boolean')) {
    return refuse('invalid_arguments');
  }
  if (unfurl !== undefined && typeof unfurl !== 'boolean') return refuse('invalid_arguments');
  const root = api.messages.find(({ ts, thread }) => ts === wanted && thread === undefined);
  const message = remember(api, { channel, text, thread: root?.ts, broadcast: broadcast === true });
  const shown = { type: 'message', text, ts: message.ts, ...(root ? { thread_ts: root.ts } : {}) };
  return { status: 200, body: JSON.stringify({ ok: true, channel, ts: message.ts, message: shown }) };
}

function remember(api: SlackApi, message: Omit<SlackMessage, 'ts'>): SlackMessage {
  const kept = { ts: `1768565000.${String(api.messages.length + 1).padStart(6, '0')}`, ...message };
  api.messages.push(kept);
  return kept;
}

function refuse(error: string): Reply {
  return { status: 200, body: JSON.stringify({ ok: false, error }) };
}
