/** `demo`: the document's story on real local parts, from nothing to an outcome, and nothing left behind. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Headgate, type RolloutState } from '../../client.js';
import { runChild } from '../../platform/children.js';
import { CommandError, type Context, EXIT, type Sandbox, type SandboxView, usage } from '../context.js';
import { requirePlan } from '../loading.js';
import { watchRollout } from './watch.js';

export interface DemoOptions {
  fail?: string;
  interactive?: boolean;
  keep?: boolean;
}

const FAILURES = ['load', 'regression', 'abort'];
const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const STORY = 'examples/connection-pool-fix/rollout.yaml';
/** The story's hour, at the pace of a demo. */
const PACE = { monitorFor: '20s', monitorInterval: '1s', rdsPeriod: '10s' };
const WORKER_READY_MS = 60_000;
/** Its activities get five seconds to end. */
const WORKER_GRACE_MS = 8_000;
/** So much of the load test is seen before it is aborted. */
const ABORT_AFTER_MS = 3_000;

export async function demo(context: Context, options: DemoOptions): Promise<number> {
  const { fail, keep = false } = options;
  if (fail !== undefined && !FAILURES.includes(fail)) {
    throw usage(`--fail takes ${FAILURES.join(', ')}; "${fail}" is none of them.`);
  }
  const world = await context.loadSandbox();
  if (await world.describeSandbox()) {
    throw new CommandError(
      EXIT.refused,
      'sandboxIsUp',
      'A sandbox is up already, and the demo brings its own. Stop it: headgate sandbox down',
    );
  }
  const cleanUp: (() => Promise<void>)[] = [];
  try {
    return await tell(context, options, world, cleanUp);
  } catch (error) {
    if (context.interrupted.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    if (context.interrupted.aborted) context.output.note('interrupted: stopping everything that was started');
    for (const end of cleanUp.reverse()) await end();
    if (!keep) await world.stopSandbox();
  }
}

async function tell(
  context: Context,
  { fail, interactive = false, keep = false }: DemoOptions,
  world: Sandbox,
  cleanUp: (() => Promise<void>)[],
): Promise<number> {
  const { output, interrupted } = context;
  output.note(
    'starting the sandbox: Temporal, two PostgreSQL behind an RDS front, an AWS emulator, a metric store, a git remote, the application twice',
  );
  const view = await world.startSandbox({
    log: (line) => output.note(line),
    signal: interrupted,
    owned: !keep,
    anyPorts: true,
  });
  introduce(context, view, keep || interactive);
  adopt(view.env);
  if (fail === 'load' || fail === 'regression') await world.setFault(fail);
  const worker = await startWorker(context, view);
  cleanUp.push(worker.stop);
  const { plan } = await requirePlan(context, join(packageRoot(), STORY), PACE);
  const headgate = await Headgate.connect();
  cleanUp.push(() => headgate.close());
  const { application, runId } = await headgate.start(plan, 'demo');
  const rollout = `${application}/${runId}`;
  output.note(
    `rollout ${rollout}: ${view.addresses.temporalUi}/namespaces/default/workflows/rollout%2F${application}/${runId}`,
  );
  const cast = new Cast(context, headgate, rollout, { aborts: fail === 'abort', approves: !interactive });
  const exitCode = await watchRollout(context, headgate, rollout, {
    onState: (state) => cast.play(state),
    signal: AbortSignal.any([interrupted, worker.ended]),
  });
  if (worker.ended.aborted) throw worker.ended.reason;
  if (keep && exitCode !== EXIT.interrupted) {
    output.note(`The sandbox stays up. ". ${view.environmentFile}", then: headgate worker --enable command`);
    output.note('Stop it: headgate sandbox down');
  }
  return exitCode;
}

/** Those who answer: the colleague who approves, the engineer who aborts. */
class Cast {
  #approved = new Set<string>();
  #aborted = false;

  constructor(
    private readonly context: Context,
    private readonly headgate: Headgate,
    private readonly rollout: string,
    private readonly plays: { aborts: boolean; approves: boolean },
  ) {}

  async play(state: RolloutState): Promise<void> {
    if (this.plays.aborts && !this.#aborted && isUnderLoad(state)) {
      this.#aborted = true;
      this.context.output.note('demo: abort, in the middle of the load test');
      await this.headgate.send(this.rollout, 'abort', { by: 'demo', reason: 'demo --fail abort' });
    }
    const waiting = state.progress?.waiting;
    if (!this.plays.approves || !waiting?.gate || !waiting.digest || this.#approved.has(waiting.digest))
      return;
    this.#approved.add(waiting.digest);
    await this.headgate.send(this.rollout, 'approve', {
      gate: waiting.gate,
      digest: waiting.digest,
      by: 'demo-approver',
      reason: 'staging has held',
    });
  }
}

function isUnderLoad({ pending }: RolloutState): boolean {
  return pending.some(({ name, heartbeat }) => {
    if (name !== 'runLoadTest' || typeof heartbeat !== 'object' || heartbeat === null) return false;
    return 'elapsedMs' in heartbeat && Number(heartbeat.elapsedMs) >= ABORT_AFTER_MS;
  });
}

function introduce(
  { output }: Context,
  { addresses, environmentFile, logFolder }: SandboxView,
  forOthers: boolean,
): void {
  output.note(`Temporal UI: ${addresses.temporalUi}`);
  output.note(`application: staging ${addresses.staging}, production ${addresses.production}`);
  output.note(`logs: ${logFolder}`);
  if (forOthers) output.note(`in another terminal, before any command: . ${environmentFile}`);
}

/** The sandbox's Temporal and AWS, whatever this shell is set to. */
function adopt(env: Record<string, string>): void {
  for (const name of Object.keys(process.env)) {
    if (/^(TEMPORAL|AWS)_/.test(name)) delete process.env[name];
  }
  Object.assign(process.env, env);
}

interface RunningWorker {
  /** Aborted when it has ended although nobody stopped it. */
  ended: AbortSignal;
  stop: () => Promise<void>;
}

/** A process of its own, as in real life; it ends with this one, however that ends. */
async function startWorker({ output, interrupted }: Context, view: SandboxView): Promise<RunningWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-demo-'));
  const pidFile = join(folder, 'worker.pid');
  const stop = new AbortController();
  const lines: string[] = [];
  const ended = runChild({
    file: process.execPath,
    args: [MAIN, 'worker', '--enable', 'command', '--pid-file', pidFile],
    env: { ...view.env, ...toolSettings() },
    signal: stop.signal,
    graceMs: WORKER_GRACE_MS,
    onLine: (line) => {
      lines.push(line);
      if (lines.length > 20) lines.shift();
    },
  }).catch(() => undefined);
  const over = new AbortController();
  void ended.then(() => {
    if (!stop.signal.aborted) over.abort(new Error(`The worker has ended: ${lines.slice(-3).join(' / ')}`));
  });
  const end = async () => {
    stop.abort();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + WORKER_READY_MS;
  while (!(await readFile(pidFile, 'utf8').catch(() => undefined))) {
    if (over.signal.aborted || interrupted.aborted || Date.now() > deadline) {
      await end();
      interrupted.throwIfAborted();
      throw new Error(`The worker did not come up: ${lines.slice(-3).join(' / ')}`);
    }
    await sleep(50);
  }
  output.note('worker: polling');
  return { ended: over.signal, stop: end };
}

/** Paths of tools that are no secret. */
function toolSettings(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith('HEADGATE_TOOL_') && value ? [[name, value]] : [],
    ),
  );
}

/** dist/src/cli/commands → the folder of package.json. */
function packageRoot(): string {
  return dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))));
}
