/** A rollout from its start to its end by the command line, with the answer that it waits for. */
import { expect } from 'vitest';
import type { Ended, Product } from './product.js';

interface Waiting {
  for: string;
  gate?: string;
  digest?: string;
}

/** @param args of `start`, the plan first */
export async function startApproved(product: Product, application: string, args: string[]): Promise<Ended> {
  const running = product.spawn('start', ...args, '--watch', '--json');
  const asked = await Promise.race([
    running.untilLine(({ type, data }) => type === 'rollout' && waitsFor(data) !== undefined),
    running.ended,
  ]);
  // Ended before it asked: the test that called says what it expected.
  if ('code' in asked) return asked;
  const { gate = '', digest = '' } = waitsFor(asked.data) ?? {};
  const answer = ['approve', application, gate, '--digest', digest, '--by', 'ben', '--yes'];
  const answered = await product.run(...answer);
  expect(answered.code, answered.stderr).toBe(0);
  return running.ended;
}

function waitsFor({ waiting }: Record<string, unknown>): Waiting | undefined {
  const found = waiting as Waiting | undefined;
  return found?.for === 'approval' ? found : undefined;
}
