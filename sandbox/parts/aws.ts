/** moto behind a thin front that writes down every call. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type RunningProcess, requireHttp, startProcess } from '../part.js';
import { LOOPBACK, listen } from '../ports.js';
import { type AwsRecord, openAwsRecord, readAll } from './aws-record.js';
import type { PartContext } from './context.js';

export interface RunningAws {
  process: RunningProcess;
  /** moto itself: what the world does of its own accord is not written down. */
  endpoint: string;
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
    endpoint: `http://${LOOPBACK}:${port}`,
    stop: async () => {
      await front.stop();
      await process.stop();
    },
  };
}

async function startFront(context: PartContext, motoPort: () => number): Promise<{ stop(): Promise<void> }> {
  const record = await openAwsRecord(context.places.awsRequests);
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
      await record.close();
    },
  };
}

async function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  port: number,
  record: AwsRecord,
): Promise<void> {
  const body = await readAll(incoming);
  const { method, url: path, headers } = incoming;
  const upstream = request({ host: LOOPBACK, port, method, path, headers });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve).once('error', reject);
    upstream.end(body);
  });
  record.note(incoming, body, answer.statusCode);
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  answer.pipe(response);
}
