/** Takes what notifiers send; `GET /` lists it, newest last. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { LOOPBACK, listen } from '../ports.js';

const MOST_KEPT = 1_000;
const LARGEST_BODY = 256 * 1024;

interface Received {
  at: string;
  method: string;
  path: string;
  /** Parsed when it is JSON. */
  body: unknown;
}

export interface RunningSink {
  url: string;
  stop(): Promise<void>;
}

export async function startSink(port: number): Promise<RunningSink> {
  const received: Received[] = [];
  const server = createServer((incoming, response) => {
    answer(incoming, response, received).catch(() => response.destroy());
  });
  const own = await listen(server, port);
  return {
    url: `http://${LOOPBACK}:${own}/`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  received: Received[],
): Promise<void> {
  const { method = 'GET', url: path = '/' } = incoming;
  if (method === 'GET') {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(received, null, 2));
    return;
  }
  const body = await readText(incoming);
  received.push({ at: new Date().toISOString(), method, path, body: parse(body) });
  if (received.length > MOST_KEPT) received.shift();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end('{"ok":true}');
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) {
    text += chunk;
    if (text.length > LARGEST_BODY) throw new Error('too large');
  }
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
