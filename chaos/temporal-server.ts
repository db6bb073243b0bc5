/** Temporal's dev server on a SQLite file, which can be killed and comes back with everything that it had confirmed. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDevServer } from '../bench/server.js';
import type { RunningProcess } from '../sandbox/part.js';
import { resolveTool } from '../src/platform/tool-resolver.js';
import { freePort } from '../test/support/postgres.js';

export class TemporalServer {
  #running: Promise<RunningProcess>;

  private constructor(
    readonly address: string,
    private readonly program: string,
    private readonly folder: string,
  ) {
    this.#running = this.#begin();
  }

  static async start(folder: string): Promise<TemporalServer> {
    const { path } = await resolveTool('temporal');
    const server = new TemporalServer(`127.0.0.1:${await freePort()}`, path, folder);
    await server.#running;
    return server;
  }

  /** SIGKILL, and away for as long as it says. */
  async kill(awayMs: number): Promise<void> {
    const running = await this.#running;
    process.kill(running.pid, 'SIGKILL');
    await running.stop();
    await sleep(awayMs);
    this.#running = this.#begin();
    await this.#running;
  }

  async stop(): Promise<void> {
    await (await this.#running).stop();
  }

  #begin(): Promise<RunningProcess> {
    const database = ['--db-filename', join(this.folder, 'temporal.db')];
    return startDevServer(this.program, this.address, join(this.folder, 'temporal.log'), database);
  }
}
