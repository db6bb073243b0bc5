/**
 * The blue/green switch of one stage: a fixed address in front of whichever release is live. Requests in flight end
 * at the release they began with; a swap fails none.
 */
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOOPBACK, listen } from '../ports.js';

const DRAIN_POLL_MS = 10;
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];

interface Upstream {
  port: number;
  inFlight: number;
  agent: Agent;
}

export class Switch {
  readonly #server = createServer((incoming, response) => this.#forward(incoming, response));
  #live: Upstream | undefined;

  /** On loopback. @returns its port, chosen by the system for 0 */
  async start(port: number): Promise<number> {
    return listen(this.#server, port);
  }

  /**
   * New requests go to `port` at once. Resolves when those in flight at the former one have ended, or after
   * `drainTimeoutMs`. @returns how many were still in flight then
   */
  async moveTo(port: number, drainTimeoutMs: number): Promise<number> {
    const former = this.#live;
    if (former?.port === port) return 0;
    this.#live = { port, inFlight: 0, agent: new Agent({ keepAlive: true }) };
    if (!former) return 0;
    const deadline = Date.now() + drainTimeoutMs;
    while (former.inFlight > 0 && Date.now() < deadline) await sleep(DRAIN_POLL_MS);
    const left = former.inFlight;
    if (left === 0) former.agent.destroy();
    return left;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#live?.agent.destroy();
  }

  #forward(incoming: IncomingMessage, response: ServerResponse): void {
    const upstream = this.#live;
    if (!upstream) {
      answerBadGateway(response, 'no release is live');
      return;
    }
    upstream.inFlight += 1;
    response.once('close', () => {
      upstream.inFlight -= 1;
    });
    const { method, url: path } = incoming;
    const outgoing = request(
      {
        host: LOOPBACK,
        port: upstream.port,
        method,
        path,
        headers: endToEnd(incoming),
        agent: upstream.agent,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    outgoing.once('error', (error) => answerBadGateway(response, error.message));
    response.once('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }
}

function endToEnd({ headers }: IncomingMessage) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
}

function answerBadGateway(response: ServerResponse, why: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(502, { 'content-type': 'text/plain' });
  response.end(`${why}\n`);
}
