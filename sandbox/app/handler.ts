/** The booking service's HTTP. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Database, PoolTimeoutError } from './database.js';
import type { Health } from './health.js';
import { log } from './log.js';
import { createRequestMetrics, type RequestMetrics } from './metrics.js';
import { BadRequest, readBooking, verifySignature } from './webhook.js';

export interface HandlerDeps {
  database: Database;
  health: Health;
  version: string;
  release: string;
  adminToken: string;
  webhookSecret: string;
}

interface Answer {
  status: number;
  body: unknown;
}

const LARGEST_BODY = 64 * 1024;

export function createHandler(deps: HandlerDeps): RequestListener {
  const metrics = createRequestMetrics(deps.release);
  return (incoming, response) => {
    const startedAt = performance.now();
    const work = pathOf(incoming) === '/metrics' ? expose(response, metrics) : serve();
    work.catch(() => response.destroy());

    async function serve(): Promise<void> {
      const { status, body } = await route(incoming, deps).catch(explain);
      if (isBusiness(incoming)) metrics.count(status, (performance.now() - startedAt) / 1000);
      send(response, status, body);
    }
  };
}

function pathOf(incoming: IncomingMessage): string {
  return incoming.url?.split('?')[0] ?? '/';
}

/** Not what is asked about itself. */
function isBusiness(incoming: IncomingMessage): boolean {
  return /^\/(api\/|webhooks)/.test(pathOf(incoming));
}

async function expose(response: ServerResponse, metrics: RequestMetrics): Promise<void> {
  const { contentType, text } = await metrics.expose();
  response.writeHead(200, { 'content-type': contentType });
  response.end(text);
}

async function route(incoming: IncomingMessage, deps: HandlerDeps): Promise<Answer> {
  const path = pathOf(incoming);
  if (path.startsWith('/admin/') && !isAdmin(incoming, deps.adminToken)) {
    return { status: 401, body: { error: 'Authorization: Bearer is missing or wrong' } };
  }
  switch (`${incoming.method} ${path}`) {
    case 'GET /healthz':
      return deps.health.check()
        ? { status: 200, body: { status: 'ok' } }
        : { status: 503, body: { status: 'unhealthy' } };
    case 'GET /admin/version':
      return { status: 200, body: { version: deps.version, release: deps.release } };
    case 'GET /admin/metrics/database':
      return { status: 200, body: deps.database.metrics() };
    case 'GET /api/availability':
      return answerAvailability(deps);
    case 'POST /webhooks':
      return takeBooking(incoming, deps);
    default:
      return { status: 404, body: { error: `there is no ${incoming.method} ${path}` } };
  }
}

/** Compared by digest: equal length, so that the comparison takes the same time whatever was sent. */
function isAdmin({ headers }: IncomingMessage, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`));
}

async function answerAvailability({ database, health }: HandlerDeps): Promise<Answer> {
  await database.query('select pg_sleep($1)', [health.querySeconds()]);
  return { status: 200, body: { available: ['18:00', '19:30', '21:00'] } };
}

async function takeBooking(incoming: IncomingMessage, deps: HandlerDeps): Promise<Answer> {
  const body = await readBody(incoming);
  if (!verifySignature(incoming.headers['x-hub-signature-256'], body, deps.webhookSecret)) {
    return { status: 401, body: { error: 'X-Hub-Signature-256 is missing or wrong' } };
  }
  const { reference, code } = readBooking(body);
  await deps.database.query(
    "insert into bookings (reference, booking_code, status) values ($1, $2, 'confirmed') on conflict (reference) do nothing",
    [reference, code],
  );
  const rows = await deps.database.query<{ booking_code: string; status: string; created_at: Date }>(
    'select booking_code, status, created_at from bookings where reference = $1',
    [reference],
  );
  return { status: 200, body: rows[0] };
}

async function readBody(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LARGEST_BODY) throw new BadRequest('the body is longer than 64 KiB');
  }
  return Buffer.concat(chunks);
}

function explain(error: unknown): Answer {
  if (error instanceof BadRequest) return { status: 400, body: { error: error.message } };
  if (error instanceof PoolTimeoutError) {
    log('ERROR', 'connection pool timeout');
    return { status: 503, body: { error: 'connection pool timeout' } };
  }
  log('ERROR', error instanceof Error ? error.message : String(error));
  return { status: 500, body: { error: 'internal error' } };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
