/** Where one cell of the crash matrix lives: a folder, an HTTP server, and what happened there. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LocalServer, serve } from './http-server.js';
import { waitFor } from './processes.js';

/** Longer than an activity may take before it is repeated. */
const FACT_TIMEOUT_MS = 60_000;

export interface Place {
  /** Of the application, the namespace and everything that is made for the cell. */
  name: string;
  folder: string;
  /** Answers `/probe` with 200, and `/gate` as `gate` says. */
  server: LocalServer;
  /** Requests by path, in order. */
  requests: string[];
  /** Called with the path before a request is answered. */
  onRequest: (path: string) => void | Promise<void>;
  /** What the last gate of the rollout says. */
  gate: 200 | 503;
  /** Programs note here what they do. */
  events(): Promise<string[]>;
  close(): Promise<void>;
}

export async function openPlace(name: string, gate: Place['gate']): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-crash-'));
  const server = await serve((request, response) => {
    const path = request.url ?? '';
    place.requests.push(path);
    void (async () => {
      await place.onRequest(path);
      response.writeHead(path === '/gate' ? place.gate : 200, { 'content-type': 'application/json' });
      response.end('{"ok":true}');
    })();
  });
  const place: Place = {
    name,
    folder,
    server,
    requests: [],
    onRequest: () => {},
    gate,
    async events() {
      const text = await readFile(join(folder, 'events'), 'utf8').catch(() => '');
      return text.split('\n').slice(0, -1);
    },
    async close() {
      await server.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return place;
}

/** Arguments that start one of the programs beside this file: readable by the product's command targets. */
export function program(file: 'crash-program.mjs' | 'crash-target.mjs', ...args: string[]): string[] {
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...args];
}

/** Stops the next program that comes to `at`, and calls `then` when one has; the next one after that goes through. */
export async function whenHeld({ folder }: Place, at: string, then: () => Promise<void>): Promise<void> {
  const hold = join(folder, `hold ${at}`);
  await writeFile(hold, '');
  const isHeld = async () =>
    existsSync(join(folder, 'events')) &&
    (await readFile(join(folder, 'events'), 'utf8')).includes(`held ${at}\n`);
  await waitFor(isHeld, `a program that is held ${at}`, FACT_TIMEOUT_MS);
  await then();
  await rm(hold);
}
