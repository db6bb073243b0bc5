/** Which processes of this machine are which: what proves that one has ended, and not only that its number is free. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { runChild } from './children.js';

export interface ProcessFacts {
  /**
   * Where numbers of processes mean the same: one boot of one machine, one namespace. `undefined` where nothing
   * can be known.
   */
  machine(): Promise<string | undefined>;
  /** When the process with that number has started, as the system words it; `undefined` when there is none. */
  startOf(pid: number): Promise<string | undefined>;
  /** Those that run a program of one of these names. */
  running(programs: string[]): Promise<{ pid: number; startedAtMs: number }[]>;
}

/** Ticks a second in /proc, whatever the kernel's own clock: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const TICKS_PER_SECOND = 100;

/** Linux tells by /proc, also where an image has no `ps`. */
export const procFacts: ProcessFacts = {
  async machine() {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
    const namespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
    return boot && namespace ? `${boot.trim()} ${namespace}` : undefined;
  },
  startOf: (pid) => readStart(pid),
  async running(programs) {
    const stat = await readFile('/proc/stat', 'utf8');
    const bootedAtMs = Number(/^btime (\d+)$/m.exec(stat)?.[1]) * 1000;
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found = await Promise.all(
      pids.map(async (pid) => {
        // Another user's cannot be read; what holds a lock of ours runs as we do.
        const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
        if (!programs.includes(basename(program.replace(/ \(deleted\)$/, '')))) return [];
        const start = await readStart(pid);
        if (start === undefined) return [];
        return [{ pid, startedAtMs: bootedAtMs + (Number(start) / TICKS_PER_SECOND) * 1000 }];
      }),
    );
    return found.flat();
  },
};

async function readStart(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name of the program stands in brackets and may hold anything; the state comes first after it.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

/** Everywhere else `ps` tells, to the second. */
export const psFacts: ProcessFacts = {
  machine: async () => hostname(),
  async startOf(pid) {
    const { stdout } = await ps(['-o', 'stat=,lstart=', '-p', String(pid)]);
    const [, state = 'Z', start] = /^\s*(\S+)\s+(.+?)\s*$/.exec(stdout) ?? [];
    return state.startsWith('Z') ? undefined : start;
  },
  async running(programs) {
    const { stdout } = await ps(['-axo', 'pid=,lstart=,comm=']);
    return stdout.split('\n').flatMap((line) => {
      const [, pid, start = '', program = ''] =
        /^\s*(\d+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d{4})\s+(.+?)\s*$/.exec(line) ?? [];
      if (!pid || !programs.includes(basename(program))) return [];
      return [{ pid: Number(pid), startedAtMs: Date.parse(start) }];
    });
  },
};

function ps(args: string[]) {
  return runChild({
    file: 'ps',
    args,
    env: { LC_ALL: 'C' },
    outputLimitBytes: 4 * 1024 * 1024,
    timeoutMs: 10_000,
  });
}

export const processFacts: ProcessFacts = process.platform === 'linux' ? procFacts : psFacts;
