/** A real AWS API emulator for one test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createInterface } from 'node:readline';

export interface Moto {
  url: string;
  stop(): Promise<void>;
}

/** What `npm test` has found or installed; `undefined` when vitest was started by itself. */
function findMoto(): string | undefined {
  const path = process.env.HEADGATE_TOOL_MOTO;
  if (!path) return undefined;
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}

/** For `describe.skipIf`: true, and said aloud, when moto is missing. In CI a missing part is a failure. */
export function motoIsMissing(): boolean {
  if (findMoto()) return false;
  const how = 'moto_server is missing: run "npm test", which installs it, or set HEADGATE_TOOL_MOTO.';
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}

/** On a port of the system's choice. The worker's side of the SDK finds it by its environment. */
export async function startMoto(): Promise<Moto> {
  const server = spawn(findMoto() ?? 'moto_server', ['-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const url = await readAddress(server);
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
  });
  return {
    url,
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await ended;
    },
  };
}

function readAddress(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`moto_server ended with ${code} before it listened.`)));
    if (!server.stderr) return reject(new Error('moto_server has no stderr.'));
    createInterface({ input: server.stderr }).on('line', (line) => {
      const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (url) resolve(url);
    });
  });
}
