/** A worker that is killed in the middle: the rollout goes on with the next one, and nothing runs twice at once. */
import { afterEach, expect, test } from 'vitest';
import { until } from '../support/product.js';
import { APPLICATION, approveWaiting, bringUp, type Story, start, untilProgress } from '../support/story.js';

let story: Story;
afterEach(async () => story?.stop());

const K6 = /(^|\/)k6 run\b/;

/** Every k6 process id of this sandbox that was ever seen, and the most that were seen at once. */
function watchK6(): { pids: Set<number>; most: () => number; stop: () => void } {
  const pids = new Set<number>();
  let most = 0;
  const look = async () => {
    const running = await story.product.processes(K6);
    for (const { pid } of running) pids.add(pid);
    most = Math.max(most, running.length);
  };
  const timer = setInterval(() => void look(), 200);
  return { pids, most: () => most, stop: () => clearInterval(timer) };
}

test('killed during k6 and during the monitor: promoted, k6 twice at most and never two at once, one and the same timer', async () => {
  story = await bringUp();
  const { product, sandbox } = story;
  const address = sandbox.TEMPORAL_ADDRESS ?? '';
  const k6 = watchK6();
  const first = await story.startWorker();
  await start(product, '--var', 'monitorFor=30s');
  await until(
    async () => k6.pids.size === 1,
    120_000,
    async () => first.output,
  );
  first.child.kill('SIGKILL');
  await until(
    async () => (await product.processes(K6)).length === 0,
    2_000,
    async () => 'k6 outlived its worker',
  );
  const second = await story.startWorker();
  await approveWaiting(product, address);
  k6.stop();
  expect(k6.pids.size).toBeLessThanOrEqual(2);
  expect(k6.most()).toBe(1);

  await untilProgress(address, ({ steps }) =>
    steps.some(({ name, status }) => name === 'production/monitor' && status === 'running'),
  );
  const timerBefore = await monitorTimer(address);
  second.child.kill('SIGKILL');
  await second.ended;
  await story.startWorker();
  expect(await monitorTimer(address)).toEqual(timerBefore);
  // A third of the time nobody measured: that is not called a good monitor, a person decides.
  const asking = await untilProgress(address, ({ waiting }) => waiting?.for === 'decision');
  const monitor = asking.steps.find(({ name }) => name === 'production/monitor');
  const lasted = Date.parse(asking.waiting?.since ?? '') - Date.parse(monitor?.startedAt ?? '');
  expect(lasted).toBeGreaterThanOrEqual(30_000);
  expect(lasted).toBeLessThan(40_000);
  expect(await monitorTimer(address)).toEqual(timerBefore);
  const skipped = await product.run(
    'skip',
    APPLICATION,
    'monitor',
    '--by',
    'ana',
    '--reason',
    'worker restarted',
  );
  expect(skipped.code, skipped.stderr).toBe(0);
  const watched = await product.run('watch', APPLICATION, '--json');
  expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([0, 'promoted']);
});

/** The one 30 s timer of the history: its event id and when it was started. */
async function monitorTimer(address: string): Promise<{ eventId: string; startedAt: string }> {
  const { Client, Connection } = await import('@temporalio/client');
  const connection = await Connection.connect({ address });
  try {
    const { events } = await new Client({ connection }).workflow
      .getHandle(`rollout/${APPLICATION}`)
      .fetchHistory();
    const timers = (events ?? []).filter(
      ({ timerStartedEventAttributes: timer }) => Number(timer?.startToFireTimeout?.seconds ?? 0) === 30,
    );
    expect(timers).toHaveLength(1);
    return { eventId: String(timers[0]?.eventId), startedAt: String(timers[0]?.eventTime?.seconds) };
  } finally {
    await connection.close();
  }
}
