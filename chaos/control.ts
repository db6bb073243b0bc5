/**
 * The world of a run, as the worker and the plan's programs meet it: one HTTP server on loopback. Everything that
 * happens is a fact with a name, and whoever waits for it acts before the world goes on.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a program asks for. */
export interface Deed {
  thing: string;
  verb: string;
  value: string;
  /** Of the release that is being rolled out, and of the one acted on: their names. */
  version: string;
  release: string;
}

export interface Answer {
  code: number;
  out: string;
}

/** `reading`: it changes nothing, and is no fact. */
export interface Thing {
  reading(verb: string): boolean;
  /** Of what the verb does. */
  fact(deed: Deed): string;
  carryOut(deed: Deed): Promise<Answer>;
}

export type Health = 'well' | 'ill' | 'text' | 'cut short' | 'cut' | 'late';

const LATE_MS = 1_500;

export class Control {
  /** By name: what the programs of the plan work on. */
  readonly things = new Map<string, Thing>();
  /** By path: what is answered, as JSON. */
  readonly pages = new Map<string, () => unknown>();
  /** Called when a page was answered ill, and when a program failed as it was told to. */
  onStrike: (what: 'health' | 'program') => void = () => {};
  /** Of every page. */
  health: Health = 'well';
  /** Whether the last gate holds. */
  gate: 200 | 503 = 200;
  /** Requests without the right `Authorization`: a reference that was not resolved. */
  unauthorised = 0;
  /** Called at every fact, before the world goes on; `worker` where one has said it. */
  onFact: (fact: string, worker?: string) => Promise<void> = async () => {};
  /** Fails the next programs. */
  failing = 0;
  url = '';
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy());
  });

  /** @param bearer what every page asks for */
  private constructor(private readonly bearer: string) {}

  static async start(bearer: string): Promise<Control> {
    const control = new Control(bearer);
    control.#server.listen(0, '127.0.0.1');
    await once(control.#server, 'listening');
    control.url = `http://127.0.0.1:${(control.#server.address() as AddressInfo).port}`;
    return control;
  }

  /** Nothing of the run before is left. */
  reset(): void {
    this.things.clear();
    this.pages.clear();
    Object.assign(this, { health: 'well', gate: 200, failing: 0, unauthorised: 0 });
    this.onFact = async () => {};
    this.onStrike = () => {};
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const path = request.url ?? '';
    if (path === '/say') {
      const { fact, worker }: { fact: string; worker: string } = JSON.parse(body);
      await this.onFact(fact, worker);
      response.end();
    } else if (path === '/do') {
      const answer = await this.#carryOut(JSON.parse(body), request);
      response.end(JSON.stringify(answer));
    } else if (path.startsWith('/load/')) {
      response.end();
    } else {
      await this.#tell(path, request, response);
    }
  }

  async #carryOut(deed: Deed, { socket }: IncomingMessage): Promise<Answer> {
    const thing = this.things.get(deed.thing);
    if (!thing) return { code: 1, out: `there is no ${deed.thing}` };
    if (thing.reading(deed.verb)) return thing.carryOut(deed);
    const fact = thing.fact(deed);
    await this.onFact(`${fact} before`);
    // Killed before it has done anything.
    if (socket.destroyed) return { code: 1, out: '' };
    if (this.failing > 0) {
      this.failing -= 1;
      this.onStrike('program');
      return { code: 1, out: 'this did not work; try again' };
    }
    const answer = await thing.carryOut(deed);
    await this.onFact(`${fact} after`);
    return answer;
  }

  async #tell(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${this.bearer}`) {
      this.unauthorised += 1;
      response.writeHead(401).end('{}');
      return;
    }
    await this.onFact(path.startsWith('/gate') ? 'gate asked' : 'sampled');
    if (path.startsWith('/gate')) {
      response.writeHead(this.gate, { 'content-type': 'application/json' }).end('{"ok":true}');
      return;
    }
    const page = this.pages.get(path);
    const text = JSON.stringify(page?.() ?? { error: 'not found' });
    await this.#beIll(response, { status: page ? 200 : 404, text });
  }

  async #beIll(response: ServerResponse, { status, text }: { status: number; text: string }): Promise<void> {
    const type = { 'content-type': 'application/json' };
    if (this.health !== 'well') this.onStrike('health');
    switch (this.health) {
      case 'ill':
        response.writeHead(503, type).end('{"ok":false}');
        return;
      case 'text':
        response.writeHead(200, type).end('<html>a proxy of somebody</html>');
        return;
      case 'cut short':
        response.writeHead(200, { ...type, 'content-length': text.length + 20 }).write(text.slice(0, -3));
        response.destroy();
        return;
      case 'cut':
        response.destroy();
        return;
      case 'well':
        break;
      case 'late':
        await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    }
    response.writeHead(status, type).end(text);
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
