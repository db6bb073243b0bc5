/** What a figure is worth depends on where it was measured. */
import { execFile } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { resolveTool } from '../src/platform/tool-resolver.js';

export interface Machine {
  cores: number;
  processor: string;
  memoryGb: number;
  system: string;
  node: string;
  /** As its command line tells. */
  temporal: string;
  /** Of the minute before the run: above 1 something else is at work, and the figures are not worth keeping. */
  load: number;
}

export async function describeMachine(): Promise<Machine> {
  const { path } = await resolveTool('temporal');
  const { stdout } = await promisify(execFile)(path, ['--version']);
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    temporal: stdout.trim().replace(/^temporal version /, ''),
    load: loadavg()[0] ?? 0,
  };
}
