/** A sandbox with a worker, for tests that start rollouts of the story themselves. */
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import { Product, type Running, readEnvFile, STORY } from './product.js';

/** The story, at a pace for tests. */
export const QUICK = ['--var', 'monitorFor=10s', '--var', 'monitorInterval=1s'];
export const APPLICATION = 'whatsapp-saas';

export interface Story {
  product: Product;
  /** What `sandbox.env` holds. */
  sandbox: Record<string, string>;
  startWorker(): Promise<Running>;
  stop(): Promise<void>;
}

export async function bringUp(extra: NodeJS.ProcessEnv = {}): Promise<Story> {
  const bare = await Product.create(extra);
  const up = await bare.run('sandbox', 'up', '--json');
  expect(up.code, up.stderr).toBe(0);
  const sandbox = await readEnvFile(join(bare.home, 'sandbox', 'sandbox.env'));
  const product = bare.with(sandbox);
  return {
    product,
    sandbox,
    async startWorker() {
      const worker = product.spawn('worker', '--enable', 'command');
      await worker.untilOutput(/ready|RUNNING/, 30_000);
      return worker;
    },
    async stop() {
      await bare.run('sandbox', 'down');
      await bare.remove();
    },
  };
}

export async function start(product: Product, ...args: string[]): Promise<void> {
  const started = await product.run('start', STORY, ...QUICK, ...args);
  expect(started.code, started.stderr).toBe(0);
}

interface Shown {
  phase: string;
  outcome?: string;
  waiting?: { for: string; since: string; gate?: string; digest?: string };
  steps: { name: string; status: string; attempt: number; startedAt?: string; endedAt?: string }[];
}

/** The `progress` query, as scripts outside the project use it. */
async function withHandle<T>(address: string, use: (handle: WorkflowHandle) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address });
  try {
    return await use(new Client({ connection }).workflow.getHandle(`rollout/${APPLICATION}`));
  } finally {
    await connection.close();
  }
}

export async function untilProgress(
  address: string,
  isTrue: (progress: Shown) => boolean,
  timeoutMs = 120_000,
): Promise<Shown> {
  const deadline = Date.now() + timeoutMs;
  return withHandle(address, async (handle) => {
    let last: unknown;
    for (;;) {
      try {
        const progress = await handle.query<Shown>('progress');
        last = progress;
        if (isTrue(progress)) return progress;
        if (progress.outcome) throw new Ended();
      } catch (error) {
        // Else there is no worker at this moment, and a query needs one.
        if (error instanceof Ended) throw new Error(`it has ended: ${JSON.stringify(last, null, 1)}`);
        last ??= error;
      }
      if (Date.now() > deadline)
        throw new Error(`not within ${timeoutMs} ms: ${JSON.stringify(last, null, 1)}`);
      // Polled gently: the load test needs the machine.
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  });
}

/** Nothing will become true any more. */
class Ended extends Error {}

export async function approveWaiting(product: Product, address: string): Promise<void> {
  const { waiting } = await untilProgress(address, (progress) => progress.waiting?.for === 'approval');
  const answer = await product.run(
    'approve',
    APPLICATION,
    waiting?.gate ?? '',
    '--digest',
    waiting?.digest ?? '',
    '--by',
    'ben',
    '--yes',
  );
  expect(answer.code, answer.stderr).toBe(0);
}
