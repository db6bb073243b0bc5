/** One plan and what is done with it. */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unlockStateLine } from '../../contract/mend.js';
import { invalid, locked } from '../../platform/failures.js';
import { OutputTail } from '../../platform/output-tail.js';
import { callTool, type ToolCall, type ToolReply } from './call.js';
import { explain } from './failures.js';
import { backendFile, terraformEnvironment } from './files.js';
import type { Applied, OpenPlan, TerraformCall, TerraformDeps } from './index.js';
import { initializeOnce, needsInit } from './init.js';
import { type EndedCommand, isHolderDead, ownName } from './lock.js';
import { describeLock, readLock, type StateLock } from './output.js';
import { readPlan, type TerraformPlan } from './plan.js';
import { ApplyProgress } from './progress.js';
import { discard, type FormerRun, formerRuns, RunFolder } from './runs.js';

const LOCK_WAIT_MS = 2 * 60_000;
const LOCK_POLL_MS = 2_000;
/** `show -json` repeats every resource three times: some ten thousand of them. */
const LARGEST_PLAN_BYTES = 256 * 1024 * 1024;
/** Of an apply's events the newest: those of some ten thousand resources, or the last of a provisioner that prints for ever. */
const LARGEST_LOG_BYTES = 4 * 1024 * 1024;
const CUT_LINE = JSON.stringify({ '@level': 'info', '@message': 'older lines are left out' });

export class TerraformSession {
  readonly #deps: TerraformDeps;
  readonly #call: TerraformCall;
  readonly #program: string;
  readonly #cache: string;
  readonly #run: RunFolder;
  readonly #env: Record<string, string>;
  readonly #unlocked = new Set<string>();
  readonly #ended: EndedCommand[] = [];

  static async open(deps: TerraformDeps, call: TerraformCall, program: string, cache: string) {
    const runs = join(cache, 'runs');
    await mkdir(runs, { recursive: true, mode: 0o700 });
    const run = await RunFolder.create(runs, call.owner, deps.processes);
    return new TerraformSession(deps, call, program, cache, run);
  }

  private constructor(
    deps: TerraformDeps,
    call: TerraformCall,
    program: string,
    cache: string,
    run: RunFolder,
  ) {
    this.#deps = deps;
    this.#call = call;
    this.#program = program;
    this.#cache = cache;
    this.#run = run;
    this.#env = terraformEnvironment(deps.env, join(cache, 'data'));
  }

  async close(): Promise<void> {
    await this.#run.close();
  }

  async plan(): Promise<OpenPlan> {
    const call = this.#call;
    const interrupted = await this.#interrupted();
    await this.#initialize();
    this.#tell('planning');
    const args = [
      ...['plan', '-json', '-input=false', '-lock-timeout=0s', `-out=${this.#run.file('plan')}`],
      ...(call.refresh ? [] : ['-refresh=false']),
      ...(await this.#variableFiles()).map((file) => `-var-file=${file}`),
      ...call.targets.map((target) => `-target=${target}`),
      ...interrupted.map((address) => `-replace=${address}`),
    ];
    const reply = await this.#locked('plan', { args });
    await this.#forgetRuns(({ provisioning }) => provisioning.length === 0);
    const plan = await this.#show();
    const warnings = reply.diagnostics.filter(({ severity }) => severity === 'warning');
    return {
      ...plan,
      warnings: warnings.map(({ summary, detail }) => `${summary}: ${this.#deps.redact(detail)}`),
      interrupted,
      apply: () => this.#apply(plan),
    };
  }

  async #show(): Promise<TerraformPlan> {
    const args = ['show', '-json', '-no-color', this.#run.file('plan')];
    const { exitCode, stdout, stderr } = await this.#tool({ args, outputLimitBytes: LARGEST_PLAN_BYTES });
    if (exitCode !== 0) throw this.#explain('show the plan of', [], stderr);
    if (stdout.length >= LARGEST_PLAN_BYTES) {
      throw invalid(`The plan of ${this.#call.folder} is larger than 256 MB. Divide the configuration.`);
    }
    return readPlan(stdout, this.#deps.redact);
  }

  async #apply(plan: TerraformPlan): Promise<Applied> {
    const { onProgress, onLog } = this.#call;
    const progress = new ApplyProgress(plan.changes, onProgress, this.#run);
    const log = new OutputTail(LARGEST_LOG_BYTES, CUT_LINE);
    try {
      progress.tell();
      const args = ['apply', '-json', '-input=false', '-lock-timeout=0s', this.#run.file('plan')];
      await this.#locked('apply', {
        args,
        onLine: (line) => log.push(line, 'stdout'),
        onEvent: (event) => progress.take(event),
      });
    } finally {
      await onLog?.(log.text());
    }
    await this.#forgetRuns(({ owner }) => this.#call.formerOwners.includes(owner));
    return progress.applied;
  }

  /** A command that needs the state lock: waits while somebody holds it. */
  async #locked(
    command: 'plan' | 'apply',
    options: Pick<ToolCall, 'args' | 'onLine' | 'onEvent'>,
  ): Promise<ToolReply> {
    const { signal } = this.#call;
    const deadline = Date.now() + (this.#deps.lockWaitMs ?? LOCK_WAIT_MS);
    let initialized = false;
    for (;;) {
      const startedAtMs = Date.now();
      this.#run.beginning(command);
      const reply = await this.#tool({
        ...options,
        onStart: (pid) => void this.#run.started(pid),
        onEnd: (end) => this.#run.ended(end),
      });
      if (reply.exitCode === 0) return reply;
      const lock = reply.diagnostics.map((each) => readLock(each, startedAtMs)).find((found) => found);
      if (lock) {
        if (await this.#broken(lock)) continue;
        this.#ended.push({ command, startedAtMs, endedAtMs: Date.now() });
        if (Date.now() > deadline) throw this.#lockedOut(lock);
        this.#tell(`waiting for the state lock: ${describeLock(lock)}`);
        await sleep(LOCK_POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
      } else if (command === 'plan' && !initialized && needsInit(reply.diagnostics)) {
        initialized = true;
        await this.#initialize({ again: true });
      } else {
        throw this.#failed(command, reply);
      }
    }
  }

  #failed(command: 'plan' | 'apply', reply: ToolReply): Error {
    const { tool, folder } = this.#call;
    if (reply.signal) return new Error(`${tool} ${command} in ${folder} was ended by ${reply.signal}.`);
    if (reply.diagnostics.some(({ summary }) => summary === 'Saved plan is stale')) {
      return new Error(
        `The state of ${folder} was changed between plan and apply; it has to be planned again.`,
      );
    }
    return this.#explain(command, reply.diagnostics, reply.stderr);
  }

  /** @returns whether it may be tried again at once */
  async #broken(lock: StateLock): Promise<boolean> {
    const { processes } = this.#deps;
    const programs = ['terraform', 'tofu', basename(this.#program)];
    const facts = {
      who: ownName(),
      runs: await this.#formerRuns(),
      ended: this.#ended,
      running: await processes.running(programs),
    };
    if (this.#unlocked.has(lock.id) || !isHolderDead(lock, facts)) return false;
    this.#unlocked.add(lock.id);
    this.#tell(`breaking a state lock of our own: ${describeLock(lock)}`);
    // It names the lock, so one that somebody has taken meanwhile stays.
    const { exitCode } = await this.#tool({ args: ['force-unlock', '-force', lock.id] });
    return exitCode === 0;
  }

  #lockedOut(lock: StateLock): Error {
    const { tool, folder, backendKey } = this.#call;
    const command = unlockStateLine({ tool, directory: folder, backendConfig: backendKey }, lock.id);
    return locked(
      `The state of ${folder} is locked by ${describeLock(lock)}. It is waited for with every attempt. If its holder is known to be dead: ${command}`,
      {
        item: `state of ${tool} ${folder}`,
        found: `locked by ${describeLock(lock)}`,
        expected: 'unlocked: let its holder end, or break the lock when the holder is known to be dead',
        command,
      },
    );
  }

  async #initialize({ again = false } = {}): Promise<void> {
    const { tool, directory, backendConfig, signal, folder } = this.#call;
    const backend = backendFile(backendConfig);
    const file = backend === '' ? undefined : await this.#run.writePrivate('backend.hcl', backend);
    await initializeOnce({
      again,
      directory,
      cache: this.#cache,
      backend,
      signal,
      what: `${tool} init in ${folder}`,
      run: async () => {
        this.#tell('initializing');
        const args = ['init', '-reconfigure', '-input=false', '-no-color', '-lockfile=readonly'];
        return this.#tool({ args: [...args, ...(file ? [`-backend-config=${file}`] : [])] });
      },
      explain: (diagnostics, otherwise) => this.#explain('initialize', diagnostics, otherwise),
    });
  }

  async #variableFiles(): Promise<string[]> {
    return Promise.all(
      this.#call.variables.map(async (entry, index) =>
        typeof entry === 'string'
          ? entry
          : this.#run.writePrivate(`values-${index}.tfvars.json`, JSON.stringify(entry)),
      ),
    );
  }

  async #interrupted(): Promise<string[]> {
    const { formerOwners, recreatable } = this.#call;
    const runs = (await this.#formerRuns()).filter(
      ({ owner, state }) => formerOwners.includes(owner) && state === 'dead',
    );
    const addresses = runs.flatMap(({ provisioning }) => provisioning);
    return [...new Set(addresses)].filter((address) => recreatable.includes(address));
  }

  async #formerRuns(): Promise<FormerRun[]> {
    const runs = await formerRuns(join(this.#cache, 'runs'), this.#deps.processes);
    return runs.filter(({ folder }) => folder !== this.#run.path);
  }

  async #forgetRuns(which: (run: FormerRun) => boolean): Promise<void> {
    const runs = (await this.#formerRuns()).filter((run) => run.state === 'dead' && which(run));
    await Promise.all(runs.map(({ folder }) => discard(folder)));
  }

  #tool(options: Partial<ToolCall> & { args: string[] }): Promise<ToolReply> {
    const { directory, signal, abortGraceMs } = this.#call;
    return callTool({
      program: this.#program,
      cwd: directory,
      env: this.#env,
      signal,
      graceMs: abortGraceMs,
      ...options,
    });
  }

  #tell(doing: string): void {
    this.#call.onProgress({ doing, resources: [], done: 0, total: 0 });
  }

  #explain(verb: string, diagnostics: ToolReply['diagnostics'], otherwise: string): Error {
    const { tool, folder } = this.#call;
    return explain({ what: `${tool} cannot ${verb} ${folder}`, tool, folder }, diagnostics, otherwise);
  }
}
