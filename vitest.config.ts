import { defineConfig } from 'vitest/config';

/** One project per kind of part, so that what needs nothing is quick and what needs the clock runs alone. */
function project(
  name: string,
  options: { timeoutMs: number; order: number; parallel?: boolean; maxConcurrency?: number },
) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: options.timeoutMs,
      hookTimeout: Math.max(options.timeoutMs, 120_000),
      fileParallelism: options.parallel ?? false,
      pool: 'forks' as const,
      // Pure code keeps nothing between files, and a process for each costs more than its tests.
      isolate: !options.parallel,
      ...(options.maxConcurrency ? { maxConcurrency: options.maxConcurrency } : {}),
      // One after the other: a load test next to another suite measures that suite.
      sequence: { groupOrder: options.order },
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', { order: 0, timeoutMs: 10_000, parallel: true }),
      project('parts', { order: 1, timeoutMs: 60_000 }),
      // A control plane that somebody names.
      project('kubernetes', { order: 2, timeoutMs: 60_000 }),
      project('workflows', { order: 3, timeoutMs: 60_000, maxConcurrency: 12 }),
      // The time-skipping server has one clock for all.
      project('timeskip', { order: 4, timeoutMs: 120_000 }),
      project('e2e', { order: 5, timeoutMs: 300_000 }),
      // Each cell waits most of its time until the server has given the dead worker up.
      project('crash', { order: 6, timeoutMs: 240_000, maxConcurrency: 6 }),
      ...(process.env.HEADGATE_RECORD ? [project('record', { order: 7, timeoutMs: 60_000 })] : []),
    ],
  },
});
