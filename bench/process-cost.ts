/** What a process takes, as Linux counts it. */
import { readFile } from 'node:fs/promises';

/** Of one process, or of several together. */
export interface Cost {
  residentBytes: number;
  cpuMs: number;
}

/** `USER_HZ` is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;

export async function readCost(pids: number[]): Promise<Cost> {
  const costs = await Promise.all(pids.map(readOne));
  return {
    residentBytes: costs.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    cpuMs: costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
  };
}

async function readOne(pid: number): Promise<Cost> {
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    readFile(`/proc/${pid}/stat`, 'utf8'),
  ]);
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  // After the name, which may hold anything: state is the third field, utime and stime the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { residentBytes: kilobytes * 1024, cpuMs: ticks * MS_PER_TICK };
}
