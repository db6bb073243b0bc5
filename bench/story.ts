/** The story on the sandbox, by the built command line, at the pace of the demo. */
import { Client, Connection } from '@temporalio/client';
import { Headgate, type RolloutState } from '../src/client.js';
import { rolloutWorkflowId } from '../src/contract/messages.js';
import { STORY } from '../test/support/product.js';
import { type ClosedRollout, readClosed } from './closed-rollout.js';
import { bringUpSandbox, type OwnSandbox } from './sandbox.js';
import type { Session } from './session.js';

const APPLICATION = 'whatsapp-saas';
const PACE = ['monitorFor=20s', 'monitorInterval=1s', 'rdsPeriod=10s'].flatMap((pair) => ['--var', pair]);
const WORKER_READY_MS = 60_000;

/** @throws Error when it was not promoted */
export async function playStory(session: Session): Promise<ClosedRollout> {
  const sandbox = await bringUpSandbox(session);
  const { product, env } = sandbox;
  const worker = product.spawn('worker', '--enable', 'command');
  await worker.untilOutput(/ready|RUNNING/, WORKER_READY_MS);
  session.log('history: the story at the pace of the demo');
  const started = await product.run('start', STORY, ...PACE, '--by', 'bench');
  if (started.code !== 0) throw new Error(`the story did not start: ${started.stderr}`);
  const closed = await approveUntilClosed(session, env.TEMPORAL_ADDRESS ?? '');
  const { outcome, stop } = closed.progress ?? {};
  if (outcome !== 'promoted') throw new Error(`the story ended as ${outcome}: ${stop?.message ?? 'unknown'}`);
  return readFrom(sandbox, closed);
}

async function approveUntilClosed(session: Session, address: string): Promise<RolloutState> {
  // The client finds its server as the command line does.
  process.env.TEMPORAL_ADDRESS = address;
  const headgate = await Headgate.connect();
  delete process.env.TEMPORAL_ADDRESS;
  session.own(() => headgate.close());
  const answered = new Set<string>();
  let last: RolloutState | undefined;
  for await (const state of headgate.watch(APPLICATION, session.interrupted)) {
    last = state;
    const { gate, digest } = state.progress?.waiting ?? {};
    if (!gate || !digest || answered.has(digest)) continue;
    answered.add(digest);
    await headgate.send(APPLICATION, 'approve', { gate, digest, by: 'bench-approver' });
  }
  if (!last) throw new Error('the story was never seen');
  return last;
}

async function readFrom({ env }: OwnSandbox, { runId }: RolloutState): Promise<ClosedRollout> {
  const connection = await Connection.connect({ address: env.TEMPORAL_ADDRESS });
  try {
    const { workflow } = new Client({ connection });
    return await readClosed(workflow.getHandle(rolloutWorkflowId(APPLICATION), runId));
  } finally {
    await connection.close();
  }
}
