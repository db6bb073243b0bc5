/** The product's own worker, from `dist`, as its users start it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, until } from '../test/support/product.js';
import type { Session } from './session.js';

const PATIENCE_MS = 90_000;

/**
 * Polls when it resolves, until the session ends what it owns.
 * @returns its process id
 */
export async function startWorker(session: Session, env: NodeJS.ProcessEnv): Promise<number> {
  let worker: ChildProcess | undefined;
  let said = '';
  session.own(async () => {
    if (!worker || worker.exitCode !== null) return;
    const ended = new Promise((resolve) => worker?.once('exit', resolve));
    worker.kill('SIGTERM');
    await ended;
  });
  worker = spawn(process.execPath, [join(ROOT, 'dist/src/cli/main.js'), 'worker'], {
    env: { ...process.env, HEADGATE_HOME: session.folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [worker.stdout, worker.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-4_000);
    });
  }
  await until(
    async () => /^ready: polling/m.test(said),
    PATIENCE_MS,
    async () => `the worker says: ${said}`,
  );
  return worker.pid ?? 0;
}
