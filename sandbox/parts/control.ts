/** The sandbox's own address: what the story's deploy commands ask, and where faults are put in. */

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { LOOPBACK, listen } from '../ports.js';
import { STAGES, type StageName } from './context.js';
import { ReleaseError, type Releases } from './releases.js';

export interface ControlDeps {
  releases: Record<StageName, Releases>;
  /** @throws ReleaseError for a fault that there is not */
  setFault: (name: string) => void;
}

const inputSchema = z.object({
  rolloutId: z.string().default(''),
  version: z.string().default(''),
  release: z.string().default(''),
});

export async function startControl(port: number, deps: ControlDeps): Promise<{ stop(): Promise<void> }> {
  const server = createServer((incoming, response) => {
    answer(incoming, deps).then(
      (body) => send(response, 200, body),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error);
        send(response, error instanceof ReleaseError ? 409 : 500, { error: message });
      },
    );
  });
  await listen(server, port);
  return {
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(incoming: IncomingMessage, deps: ControlDeps): Promise<unknown> {
  const url = new URL(incoming.url ?? '/', `http://${LOOPBACK}`);
  const [kind, name = '', verb = ''] = url.pathname.split('/').filter(Boolean);
  if (kind === 'faults' && incoming.method === 'PUT') {
    deps.setFault(name);
    return { fault: name };
  }
  const stage = STAGES.find((known) => known === name);
  if (kind !== 'stages' || !stage) {
    throw new ReleaseError(
      `There is no ${incoming.method} ${url.pathname}; stages are ${STAGES.join(', ')}.`,
    );
  }
  const input = inputSchema.parse(incoming.method === 'POST' ? await readJson(incoming) : {});
  return carryOut(deps.releases[stage], verb, input);
}

async function carryOut(
  releases: Releases,
  verb: string,
  input: z.infer<typeof inputSchema>,
): Promise<unknown> {
  const { rolloutId, version, release } = input;
  switch (verb) {
    case 'status':
      return releases.status();
    case 'prepare':
      return releases.prepare(rolloutId, version);
    case 'promote':
    case 'restore':
      await releases.moveTrafficTo(release);
      return releases.status();
    case 'retire':
      await releases.retire(release);
      return releases.status();
    case 'restart':
      await releases.restart(release);
      return releases.status();
    case 'logs':
    case 'previousLogs': {
      const log = releases.logOf(release || releases.status().live.id, verb === 'previousLogs');
      // Most releases have had no process before.
      return { log: await readFile(log, 'utf8').catch(() => '') };
    }
    default:
      throw new ReleaseError(`There is no verb "${verb}".`);
  }
}

async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
  return parsed;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
