import { defineConfig } from 'vitest/config';

interface Options {
  timeoutMs: number;
  order: number;
  /** Test files at the same time; one where the clock or the processor is what is tested. */
  files?: number | 'all';
  maxConcurrency?: number;
}

/** One project per kind of part, so that what needs nothing is quick and what needs the clock runs alone. */
function project(name: string, { timeoutMs, order, files = 1, maxConcurrency }: Options) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: timeoutMs,
      hookTimeout: Math.max(timeoutMs, 120_000),
      fileParallelism: files !== 1,
      ...(typeof files === 'number' ? { maxWorkers: files } : {}),
      pool: 'forks' as const,
      // Pure code keeps nothing between files, and a process for each costs more than its tests.
      isolate: files !== 'all',
      ...(maxConcurrency ? { maxConcurrency } : {}),
      // One after the other: a load test next to another suite measures that suite.
      sequence: { groupOrder: order },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', { order: 0, timeoutMs: 10_000, files: 'all' }),
      // They wait for other programs half of their time.
      project('parts', { order: 1, timeoutMs: 60_000, files: 2 }),
      // A control plane that somebody names.
      project('kubernetes', { order: 2, timeoutMs: 60_000, files: 2 }),
      project('timed', { order: 3, timeoutMs: 60_000 }),
      project('workflows', { order: 4, timeoutMs: 60_000, files: 2, maxConcurrency: 12 }),
      // The time-skipping server has one clock for all.
      project('timeskip', { order: 5, timeoutMs: 120_000 }),
      project('e2e', { order: 6, timeoutMs: 300_000 }),
      // Each cell waits most of its time until the server has given the dead worker up.
      project('crash', { order: 7, timeoutMs: 240_000, maxConcurrency: 6 }),
      ...(process.env.HEADGATE_RECORD ? [project('record', { order: 8, timeoutMs: 60_000 })] : []),
    ],
  },
});
