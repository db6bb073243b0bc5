import { defineConfig } from 'vitest/config';

/** One project per kind of part, so that what needs nothing is quick and what needs the clock runs alone. */
function project(name: string, options: { timeoutMs: number; parallel?: boolean }) {
  return {
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      testTimeout: options.timeoutMs,
      hookTimeout: Math.max(options.timeoutMs, 120_000),
      fileParallelism: options.parallel ?? false,
      pool: 'forks' as const,
    },
  };
}

export default defineConfig({
  test: {
    projects: [
      project('unit', { timeoutMs: 10_000, parallel: true }),
      project('parts', { timeoutMs: 60_000 }),
      project('workflows', { timeoutMs: 60_000 }),
      // The time-skipping server has one clock for all.
      project('timeskip', { timeoutMs: 120_000 }),
      project('e2e', { timeoutMs: 300_000 }),
      ...(process.env.HEADGATE_RECORD ? [project('record', { timeoutMs: 60_000 })] : []),
    ],
  },
});
