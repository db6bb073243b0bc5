/** A repository with the files of a plan, and machines with homes of their own that fetch from it. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PinnedSource, PlanSource } from '../../src/plan/resolved.js';
import type { Sources } from '../../src/platform/sources.js';
import { createSources } from '../../src/tools/git/sources.js';
import { GitWorld } from './git.js';

export const never = new AbortController().signal;

export class SourceWorld {
  private constructor(readonly git: GitWorld) {}

  /** `plans/load.js` and `plans/booking.json` are on `main`. */
  static async create(): Promise<SourceWorld> {
    const world = new SourceWorld(await GitWorld.create());
    await world.git.pushTheirs('plans/load.js', 'export default function () {}\n');
    await world.git.pushTheirs('plans/booking.json', '{"guest":"one"}\n');
    return world;
  }

  remove(): Promise<void> {
    return this.git.remove();
  }

  source(change: Partial<PlanSource> = {}): PlanSource {
    return { git: this.git.remote, ref: 'main', directory: 'plans', ...change };
  }

  home(name: string): string {
    return join(this.git.folder, 'homes', name);
  }

  /** Of one machine, as a process that was just started has them. */
  sources(name: string, allowed?: string[]): Sources {
    return createSources({ env: this.git.env, home: this.home(name), allowed });
  }

  pin(change: Partial<PlanSource> = {}): Promise<PinnedSource> {
    return this.sources('client').pin(this.source(change), never);
  }

  checkouts(name: string): Promise<string[]> {
    return readdir(join(this.home(name), 'cache', 'sources')).catch(() => []);
  }

  /**
   * From now on the server stops before it sends, once for each fetch, until `release` is called. Only a configuration
   * of the machine may name such a program, and the machine is the server here.
   */
  async holdFetches(): Promise<{ begun: () => number; release: () => Promise<void> }> {
    const folder = join(this.git.folder, 'hold');
    const [log, gate, script] = [join(folder, 'log'), join(folder, 'gate'), join(folder, 'pack-objects')];
    await mkdir(folder);
    await writeFile(
      script,
      `#!/bin/sh\necho fetch >> ${log}\nwhile [ ! -e ${gate} ]; do sleep 0.05; done\nexec "$@"\n`,
    );
    await chmod(script, 0o755);
    this.git.git(['config', '--global', 'uploadpack.packObjectsHook', script]);
    return {
      begun: () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0),
      release: () => writeFile(gate, ''),
    };
  }

  /** A worker of its own that does nothing but check out. */
  startMachine(name: string, source: PinnedSource) {
    const from = fileURLToPath(new URL('../../src/tools/git/sources.ts', import.meta.url));
    const program = `
      const { createSources } = await import(${JSON.stringify(from)});
      const { home, source } = JSON.parse(process.env.MACHINE);
      await createSources({ env: process.env, home }).checkOut(source, new AbortController().signal);
    `;
    return spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      env: {
        ...this.git.env,
        PATH: process.env.PATH,
        MACHINE: JSON.stringify({ home: this.home(name), source }),
      },
      stdio: 'ignore',
    });
  }
}
