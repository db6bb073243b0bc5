/** moto behind a thin front that writes down every call: who asked what of which secret, never a value. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { type RunningProcess, requireHttp, startProcess } from '../part.js';
import { LOOPBACK, listen } from '../ports.js';
import type { PartContext } from './context.js';

export interface RunningAws {
  process: RunningProcess;
  stop(): Promise<void>;
}

export async function startAws(context: PartContext, program: string): Promise<RunningAws> {
  let port = 0;
  const process = await startProcess({
    name: 'moto',
    file: program,
    args: ['-H', LOOPBACK, '-p', '0'],
    env: { ...context.env, PYTHONUNBUFFERED: '1' },
    log: join(context.places.logs, 'moto.log'),
    graceMs: 2_000,
    readyTimeoutMs: 60_000,
    onLine: (line) => {
      const found = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (found) port = Number(found);
    },
    ready: async () => {
      if (port === 0) throw new Error('it has not said its port');
      await requireHttp(`http://${LOOPBACK}:${port}/moto-api/`);
    },
    onDeath: context.onDeath,
  });
  const front = await startFront(context, () => port);
  return {
    process,
    stop: async () => {
      await front.stop();
      await process.stop();
    },
  };
}

async function startFront(context: PartContext, motoPort: () => number): Promise<{ stop(): Promise<void> }> {
  await mkdir(dirname(context.places.awsRequests), { recursive: true });
  const record = createWriteStream(context.places.awsRequests, { flags: 'a', mode: 0o600 });
  const server: Server = createServer((incoming, response) => {
    forward(incoming, response, motoPort(), record).catch((error: unknown) => {
      context.log(`aws: ${error instanceof Error ? error.message : String(error)}`);
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
  });
  await listen(server, context.ports.aws);
  return {
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await new Promise<void>((resolve) => record.end(resolve));
    },
  };
}

async function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  port: number,
  record: WriteStream,
): Promise<void> {
  const body = await readAll(incoming);
  const { method, url: path, headers } = incoming;
  const upstream = request({ host: LOOPBACK, port, method, path, headers });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve).once('error', reject);
    upstream.end(body);
  });
  record.write(`${JSON.stringify(describeCall(incoming, body, answer.statusCode))}\n`);
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(response);
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function describeCall(incoming: IncomingMessage, body: Buffer, status: number | undefined) {
  const target = incoming.headers['x-amz-target'] ?? /(?:^|&)Action=([A-Za-z]+)/.exec(body.toString())?.[1];
  return {
    at: new Date().toISOString(),
    target: target ?? `${incoming.method} ${incoming.url?.split('?')[0]}`,
    secretId: readSecretId(body),
    status,
  };
}

function readSecretId(body: Buffer): string | undefined {
  try {
    const input: { SecretId?: unknown; Name?: unknown } = JSON.parse(body.toString());
    const id = input.SecretId ?? input.Name;
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
