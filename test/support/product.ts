/** The product from outside: its command line, its files and its processes, nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(ROOT, 'dist', 'src', 'cli', 'main.js');
export const STORY = join(ROOT, 'examples', 'connection-pool-fix', 'rollout.yaml');

/** One line of `--json`. */
export interface Line {
  v: 1;
  type: 'rollout' | 'step' | 'measurement' | 'approval' | 'compensation' | 'outcome' | 'error';
  at: string;
  application?: string;
  runId?: string;
  stage?: string;
  step?: string;
  status?: string;
  data: Record<string, unknown>;
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** stdout as ND-JSON; only where `--json` was given. */
  lines: Line[];
}

/** A home of its own, so that what belongs to a test can be told by its environment. */
export class Product {
  private constructor(
    readonly home: string,
    readonly portBase: number,
    private readonly extra: NodeJS.ProcessEnv,
  ) {}

  static async create(extra: NodeJS.ProcessEnv = {}): Promise<Product> {
    return new Product(await mkdtemp(join(tmpdir(), 'headgate-e2e-')), await freePortBase(), extra);
  }

  /** The same home, with what `sandbox.env` holds. */
  with(extra: NodeJS.ProcessEnv): Product {
    return new Product(this.home, this.portBase, { ...this.extra, ...extra });
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      HEADGATE_HOME: this.home,
      HEADGATE_PORT_BASE: String(this.portBase),
      NO_COLOR: '1',
      ...this.extra,
    };
  }

  spawn(...args: string[]): Running {
    return new Running(spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, env: this.env }), args);
  }

  run(...args: string[]): Promise<Ended> {
    return this.spawn(...args).ended;
  }

  /** Processes that were started with this home, by their command lines; those that match, where it is asked for. */
  async processes(matching?: RegExp): Promise<{ pid: number; command: string }[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = await Promise.all(pids.map((pid) => this.describeProcess(pid, matching)));
    return found.flatMap((process) => process ?? []);
  }

  private async describeProcess(
    pid: string,
    matching: RegExp | undefined,
  ): Promise<{ pid: number; command: string } | undefined> {
    try {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
      if (matching && !matching.test(command)) return undefined;
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
      const ours = command.includes(this.home) || environment.includes(this.home);
      return ours && command !== '' ? { pid: Number(pid), command } : undefined;
    } catch {
      // It ended while we looked.
      return undefined;
    }
  }

  /** Waits until nothing of this home runs any more. */
  async untilNothingRuns(timeoutMs = 15_000): Promise<void> {
    await until(
      async () => (await this.processes()).length === 0,
      timeoutMs,
      async () => {
        return `still running: ${JSON.stringify(await this.processes(), null, 1)}`;
      },
    );
  }

  async remove(): Promise<void> {
    for (const { pid } of await this.processes()) process.kill(pid, 'SIGKILL');
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Running {
  readonly ended: Promise<Ended>;
  readonly lines: Line[] = [];
  private stdout = '';
  private stderr = '';

  constructor(
    readonly child: ChildProcess,
    args: string[],
  ) {
    const json = args.includes('--json');
    child.stdin?.end();
    if (!child.stdout) throw new Error('no stdout');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.stdout += `${line}\n`;
      if (json) this.lines.push(JSON.parse(line) as Line);
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr, lines: this.lines });
      });
    });
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Waits for a line of `--json`. */
  async untilLine(isIt: (line: Line) => boolean, timeoutMs = 120_000): Promise<Line> {
    await until(
      async () => this.lines.some(isIt),
      timeoutMs,
      async () => `no such line in:\n${this.output}`,
    );
    const line = this.lines.find(isIt);
    if (!line) throw new Error('the line is gone');
    return line;
  }

  async untilOutput(text: string | RegExp, timeoutMs = 120_000): Promise<void> {
    const isThere = () => (typeof text === 'string' ? this.output.includes(text) : text.test(this.output));
    await until(
      async () => isThere(),
      timeoutMs,
      async () => `never printed ${text}:\n${this.output}`,
    );
  }
}

/** Polls a fact. */
export async function until(
  isTrue: () => Promise<boolean>,
  timeoutMs: number,
  explain: () => Promise<string>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${await explain()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** `export K=V` lines, as a shell would source them. */
export async function readEnvFile(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8');
  const pairs = [...text.matchAll(/^export ([A-Z_0-9]+)=(?:'([^']*)'|"([^"]*)"|(.*))$/gm)];
  return Object.fromEntries(
    pairs.map(([, name, single, double, bare]) => [name, single ?? double ?? bare ?? '']),
  );
}

/** A base from which eleven ports are free. */
async function freePortBase(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: 11 }, (_, index) => isFree(base + index)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no eleven free ports in a row');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
