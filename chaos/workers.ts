/** The workers of a lane: real ones, each a process, of which one at least polls whenever somebody asks for it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isAlive, waitFor } from '../test/support/processes.js';

const PROGRAM = fileURLToPath(new URL('./worker.mjs', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
/** The guardian needs half a second; a machine that is busy needs longer to get to it. */
const ORPHANS_MS = 6_000;
const OUTPUT_KEPT = 200_000;

export interface WorkerProcess {
  name: string;
  child: ChildProcess;
  ended: Promise<unknown>;
}

export class Workers {
  readonly all: WorkerProcess[] = [];
  /** What they have printed, the newest. */
  output = '';
  /** What outlived a worker, a line each. */
  readonly orphans: string[] = [];
  #started = 0;

  /**
   * @param env of every worker
   * @param mark first of the values of HEADGATE_PORT_BASE: the one variable that children inherit and nobody here
   * needs, by which the children of one worker are told from those of the next
   */
  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly mark: number,
  ) {}

  /** Resolves when it polls. @param build folder of a build */
  async start(build: string): Promise<WorkerProcess> {
    this.#started += 1;
    const name = String(this.mark + this.#started);
    const child = spawn(process.execPath, [PROGRAM], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...this.env, CHAOS_BUILD: build, CHAOS_NAME: name, HEADGATE_PORT_BASE: name },
    });
    const worker = { name, child, ended: once(child, 'exit') };
    this.all.push(worker);
    let ready = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        const text = chunk.toString();
        ready ||= /^ready$/m.test(text);
        this.output = (this.output + text).slice(-OUTPUT_KEPT);
      });
    }
    await waitFor(() => ready || hasEnded(worker), 'a worker that polls', READY_TIMEOUT_MS);
    if (hasEnded(worker)) throw new Error(`a worker did not start: ${this.output.slice(-2_000)}`);
    return worker;
  }

  living(): WorkerProcess[] {
    return this.all.filter((worker) => !hasEnded(worker));
  }

  /** SIGKILL. Resolves when nothing that it had started is left, or notes what is. */
  async kill(worker: WorkerProcess): Promise<void> {
    if (hasEnded(worker)) return;
    const own = await listMarked(worker.name);
    // Else the mark would prove nothing.
    if (own.length === 0) this.orphans.push(`worker ${worker.name} does not bear its mark`);
    worker.child.kill('SIGKILL');
    await worker.ended;
    let left: string[] = [];
    const isGone = async () => {
      left = await listMarked(worker.name);
      return left.length === 0;
    };
    await waitFor(isGone, 'the end of its children', ORPHANS_MS).catch(() => {
      this.orphans.push(...left.map((command) => `${command} outlived its worker`));
    });
  }

  /** SIGTERM, as a deployment of workers does. */
  async stop(worker: WorkerProcess): Promise<void> {
    if (hasEnded(worker)) return;
    worker.child.kill('SIGTERM');
    await waitFor(() => hasEnded(worker), 'a worker that stops', STOP_TIMEOUT_MS).catch(() =>
      this.kill(worker),
    );
  }

  async end(): Promise<void> {
    for (const worker of this.living()) {
      worker.child.kill('SIGKILL');
      await worker.ended;
    }
  }
}

function hasEnded({ child }: WorkerProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Command lines of what bears the mark. */
async function listMarked(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && isAlive(Number(name)));
  const commands = await Promise.all(
    pids.map(async (pid) => {
      // It may end while we look.
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      if (!environment.includes(`HEADGATE_PORT_BASE=${mark}\0`)) return [];
      return [(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')];
    }),
  );
  return commands.flat();
}
