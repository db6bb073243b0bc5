/** Answers that nobody who reads them can be content with, and a server that gives them. */
import type { IncomingHttpHeaders } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type LocalServer, serve } from './http-server.js';

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body: string | Buffer;
  /** The connection is closed before all of it has come. */
  cut?: boolean;
}

export interface Speaker extends LocalServer {
  /** What everything is answered with from now on; a function is asked with method, path and body. */
  says(reply: Reply | ((request: Asked) => Reply)): void;
  asked: Asked[];
}

export interface Asked {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export async function startSpeaker(): Promise<Speaker> {
  let current: (request: Asked) => Reply = () => ({ body: '' });
  const asked: Asked[] = [];
  const server = await serve((request, response, body) => {
    const { method = '', url: path = '', headers } = request;
    asked.push({ method, path, headers, body });
    const reply = current({ method, path, headers, body });
    const bytes = Buffer.from(reply.body);
    const length = String(bytes.length + (reply.cut ? 100 : 0));
    response.writeHead(reply.status ?? 200, {
      'content-type': 'application/json',
      'content-length': length,
      // Of AWS nothing is read without it, and then nothing of this would be seen.
      'x-amzn-requestid': 'bad-reply',
      ...reply.headers,
    });
    if (!reply.cut) return void response.end(bytes);
    response.write(bytes, () => response.destroy());
  });
  return {
    ...server,
    asked,
    says(reply) {
      current = typeof reply === 'function' ? reply : () => reply;
    },
  };
}

const PAGE =
  '<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>\nPlease sign in.</body></html>';
const DEEP = 2_000;

/** What may come from anybody in place of any API. @param good what the API itself would say */
export function badReplies(good: string): [what: string, reply: Reply][] {
  return [
    ['nothing, with 200', { body: '' }],
    ['nothing, with 204', { status: 204, body: '', headers: { 'content-length': '0' } }],
    ['spaces', { body: '  \n ' }],
    ['a page of HTML', { body: PAGE, headers: { 'content-type': 'text/html' } }],
    ['a page of HTML that says it is JSON', { body: PAGE }],
    ['half of it', { body: good.slice(0, Math.floor(good.length / 2)) }],
    ['half of it, and then nothing', { body: good.slice(0, Math.floor(good.length / 2)), cut: true }],
    ['null', { body: 'null' }],
    ['a list', { body: '[]' }],
    ['a number', { body: '42' }],
    ['a text', { body: '"ok"' }],
    ['an empty object', { body: '{}' }],
    ['brackets without end', { body: `{"a":${'['.repeat(DEEP)}` }],
    ['UTF-16', { body: Buffer.from(good, 'utf16le') }],
    ['bytes that are no text', { body: Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3]) }],
    [
      'something packed that nobody has asked for',
      { body: gzipSync(good), headers: { 'content-encoding': 'gzip' } },
    ],
    ['a redirect to itself', { status: 302, body: '', headers: { location: '/' } }],
    ['a redirect to a file', { status: 302, body: '', headers: { location: 'file:///etc/passwd' } }],
    ['a refusal without words', { status: 418, body: '' }],
    ['trouble, and a page', { status: 502, body: PAGE, headers: { 'content-type': 'text/html' } }],
  ];
}

/** Words of a library about itself are no message for people. */
export const NO_MESSAGE =
  /Unexpected (token|end)|is not valid JSON|Cannot (read|destructure)|is not (a function|iterable)|undefined|\[object|Invalid time value|^\s*$|\n/;
