/**
 * The built workflow in the SDK's own sandbox, with this file in the server's place: it answers the commands of a
 * workflow one by one, in an order that a seed decides, and its clock jumps to the next timer. Hundreds of rollouts
 * in seconds, and moments that a real server comes upon once in a year: an abort in the same task as the result of
 * what it ends. What it may do is what a real server does (test/workflows/properties.test.ts runs the same scenarios on one).
 */
import { readFile } from 'node:fs/promises';
import vm from 'node:vm';
import {
  CancelledFailure,
  DefaultFailureConverter,
  defaultPayloadConverter,
  type Payload,
  TypedSearchAttributes,
} from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import proto, { type coresdk } from '@temporalio/proto';
import type { Workflow } from '@temporalio/worker/lib/workflow/interface.js';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm.js';
import type { ActivityName } from '../../src/contract/activities.js';
import type { RolloutInput } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, ROLLOUT_WORKFLOW, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import { BUNDLE } from './temporal.js';

type Job = coresdk.workflow_activation.IWorkflowActivationJob;
type Command = coresdk.workflow_commands.IWorkflowCommand;

export interface Task {
  seq: number;
  name: ActivityName;
  input: { step?: { name: string } | string; subject?: { step: string } };
  step: string;
  cancelRequested: boolean;
}

export interface DeskOptions {
  input: RolloutInput;
  /** Decides who is next wherever more than one may be. */
  random: () => number;
  /** Carries an activity out. What it throws is what its last attempt ended with. */
  carryOut(task: Task): Promise<unknown>;
  /** Called when nothing is left to do but to wait: an answer, or undefined to let the time pass. */
  answer(progress: Progress): { name: string; input: unknown } | undefined;
  /** Called after every workflow task. */
  onTask(seen: { progress: Progress; memo?: Progress; scheduled: Task[] }): void;
  /** What comes from outside together with, or before, the result of an activity. */
  interrupt(task: Task): { kind: 'abort' | 'cancel' | 'deadline'; when: 'before' | 'with' } | undefined;
}

export interface DeskResult {
  progress: Progress;
  /** How the workflow closed. */
  closed: 'completed' | 'failed' | 'cancelled';
  locks: { taken: number; closed: number };
}

const { WorkflowActivation } = proto.coresdk.workflow_activation;
const failures = new DefaultFailureConverter();
const toPayload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) as Payload;
const fromPayload = <T>(payload: unknown): T => defaultPayloadConverter.fromPayload<T>(payload as Payload);
const MOST_TASKS = 2_000;

let creator: Promise<ReusableVMWorkflowCreator> | undefined;

async function createCreator(): Promise<ReusableVMWorkflowCreator> {
  const code = await readFile(BUNDLE, 'utf8');
  const script = new vm.Script(code, { filename: '/workflow-bundle.js' });
  const bundle = {
    code,
    sourceMap: { version: 3, sources: [], names: [], mappings: '', file: '' },
    filename: '/workflow-bundle.js',
  };
  return new ReusableVMWorkflowCreator(script, bundle as never, 5_000, new Set());
}

/** @throws Error when the workflow task fails, or when the workflow waits and nobody is asked */
export async function runOnDesk(options: DeskOptions): Promise<DeskResult> {
  creator ??= createCreator();
  const desk = new Desk(options);
  try {
    return await desk.run(await creator);
  } finally {
    await desk.dispose();
  }
}

let runs = 0;

class Desk {
  readonly #options: DeskOptions;
  readonly #runId = `run-${++runs}`;
  readonly #startedAtMs = Date.UTC(2026, 0, 16, 12);
  #nowMs = this.#startedAtMs;
  #workflow: Workflow | undefined;
  #tasks: Task[] = [];
  #timers: { seq: number; atMs: number }[] = [];
  #deadlineSeq: number | undefined;
  /** Jobs that the server has for the next workflow task. */
  #ready: Job[] = [];
  #closed: DeskResult['closed'] | undefined;
  #progress: Progress | undefined;
  #memo: Progress | undefined;
  #locks = { taken: 0, closed: 0 };
  #updates = 0;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  async run(creator: ReusableVMWorkflowCreator): Promise<DeskResult> {
    const { input } = this.#options;
    const workflowId = `rollout/${input.plan.application}`;
    this.#workflow = await creator.createWorkflow({
      info: this.#info(workflowId),
      randomnessSeed: [1, 2, 3, 4],
      now: this.#nowMs,
      showStackTraceSources: false,
    });
    await this.#activate([
      {
        initializeWorkflow: {
          workflowId,
          workflowType: ROLLOUT_WORKFLOW,
          arguments: [toPayload(input)],
          firstExecutionRunId: this.#runId,
          attempt: 1,
        },
      },
    ]);
    for (let tasks = 0; this.#closed === undefined; tasks += 1) {
      if (tasks > MOST_TASKS) throw new Error('the rollout does not end');
      await this.#step();
    }
    if (!this.#progress) throw new TypeError('no progress');
    return { progress: this.#progress, closed: this.#closed, locks: this.#locks };
  }

  async dispose(): Promise<void> {
    await this.#workflow?.dispose();
  }

  async #step(): Promise<void> {
    const task = this.#pick(this.#tasks);
    if (task && (this.#ready.length === 0 || this.#options.random() < 0.5)) {
      this.#tasks = this.#tasks.filter((each) => each !== task);
      const interrupt = this.#options.interrupt(task);
      if (interrupt?.when === 'before') {
        this.#tasks.push(task);
        await this.#activate([this.#outside(interrupt.kind)]);
        return;
      }
      const resolution = await this.#resolve(task);
      this.#ready.push({ resolveActivity: { seq: task.seq, result: resolution } });
      if (interrupt) this.#ready.push(this.#outside(interrupt.kind));
      if (interrupt || this.#options.random() < 0.7) await this.#activate(this.#ready.splice(0));
      return;
    }
    if (this.#ready.length > 0) return this.#activate(this.#ready.splice(0));
    const answer = this.#progress?.waiting && this.#options.answer(this.#progress);
    if (answer) return this.#activate([this.#update(answer.name, answer.input)]);
    const timer = this.#timers.sort((a, b) => a.atMs - b.atMs).shift();
    if (!timer) throw new Error(`silently stuck: ${JSON.stringify(this.#progress?.phase)}`);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    await this.#activate([{ fireTimer: { seq: timer.seq } }]);
  }

  #pick(tasks: Task[]): Task | undefined {
    return tasks[Math.floor(this.#options.random() * tasks.length)];
  }

  async #resolve(task: Task): Promise<coresdk.activity_result.IActivityResolution> {
    // Cancelled before a worker took it, or it was done all the same.
    if (task.cancelRequested && this.#options.random() < 0.5) {
      return { cancelled: { failure: this.#activityFailure(task, new CancelledFailure('cancelled')) } };
    }
    try {
      const result = await this.#options.carryOut(task);
      return { completed: { result: toPayload(result ?? null) } };
    } catch (error) {
      return { failed: { failure: this.#activityFailure(task, error) } };
    }
  }

  #activityFailure(task: Task, error: unknown) {
    return {
      message: 'Activity task failed',
      cause: failures.errorToFailure(error, defaultPayloadConverter),
      activityFailureInfo: { activityType: { name: task.name }, activityId: String(task.seq), retryState: 1 },
    } as never;
  }

  #outside(kind: 'abort' | 'cancel' | 'deadline'): Job {
    if (kind === 'cancel') return { cancelWorkflow: { reason: 'from the UI' } };
    if (kind === 'abort')
      return { signalWorkflow: { signalName: 'abort', input: [toPayload({ by: 'ana' })] } };
    const seq = this.#deadlineSeq;
    const timer = this.#timers.find((each) => each.seq === seq);
    if (!timer) return { signalWorkflow: { signalName: 'hold', input: [toPayload('unreadable')] } };
    this.#timers = this.#timers.filter((each) => each !== timer);
    this.#nowMs = Math.max(this.#nowMs, timer.atMs);
    return { fireTimer: { seq: timer.seq } };
  }

  #update(name: string, input: unknown): Job {
    this.#updates += 1;
    const id = `update-${this.#updates}`;
    return {
      doUpdate: {
        id,
        protocolInstanceId: id,
        name,
        input: [toPayload(input)],
        runValidator: true,
        meta: { updateId: id, identity: 'test' },
      },
    };
  }

  /** In the order in which the SDK's core hands the jobs of a task out. */
  async #activate(jobs: Job[]): Promise<void> {
    const rank = (job: Job) => (job.initializeWorkflow ? 0 : job.signalWorkflow || job.doUpdate ? 1 : 2);
    this.#nowMs += 1;
    const commands = await this.#call([...jobs].sort((a, b) => rank(a) - rank(b)));
    const scheduled: Task[] = [];
    this.#locks.closed += jobs.filter((job) => job.resolveChildWorkflowExecution).length;
    for (const command of commands) this.#obey(command, scheduled);
    const [answer] = await this.#call([{ queryWorkflow: { queryId: 'q', queryType: PROGRESS_QUERY } }]);
    const response = answer?.respondToQuery?.succeeded?.response;
    if (!response) throw new Error(`no progress: ${JSON.stringify(answer)}`);
    this.#progress = fromPayload<Progress>(response);
    this.#options.onTask({ progress: this.#progress, memo: this.#memo, scheduled });
  }

  async #call(jobs: Job[]): Promise<Command[]> {
    const timestamp = msToTs(this.#nowMs);
    const written = WorkflowActivation.encode({ runId: this.#runId, timestamp, jobs, historyLength: 3 });
    const activation = WorkflowActivation.decode(written.finish());
    const completion = await this.#workflow?.activate(activation);
    if (completion?.failed) throw new Error(`workflow task failed: ${completion.failed.failure?.message}`);
    return completion?.successful?.commands ?? [];
  }

  #obey(command: Command, scheduled: Task[]): void {
    if (command.scheduleActivity) scheduled.push(this.#schedule(command.scheduleActivity));
    const { requestCancelActivity, startTimer, cancelTimer, startChildWorkflowExecution: child } = command;
    for (const task of this.#tasks) {
      if (task.seq === requestCancelActivity?.seq) task.cancelRequested = true;
    }
    if (startTimer) {
      const { seconds, nanos } = startTimer.startToFireTimeout ?? {};
      this.#deadlineSeq ??= startTimer.seq ?? 0;
      this.#timers.push({
        seq: startTimer.seq ?? 0,
        atMs: this.#nowMs + Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6,
      });
    }
    if (cancelTimer) this.#timers = this.#timers.filter(({ seq }) => seq !== cancelTimer.seq);
    if (child) {
      this.#locks.taken += 1;
      this.#ready.push({
        resolveChildWorkflowExecutionStart: { seq: child.seq, succeeded: { runId: `lock-${child.seq}` } },
      });
    }
    const { cancelChildWorkflowExecution: ended } = command;
    if (ended) {
      const failure = failures.errorToFailure(new CancelledFailure('cancelled'), defaultPayloadConverter);
      this.#ready.push({
        resolveChildWorkflowExecution: { seq: ended.childWorkflowSeq, result: { cancelled: { failure } } },
      } as Job);
    }
    const memo = command.modifyWorkflowProperties?.upsertedMemo?.fields?.progress;
    if (memo) this.#memo = fromPayload<Progress>(memo);
    if (command.completeWorkflowExecution) this.#closed = 'completed';
    if (command.failWorkflowExecution) this.#closed = 'failed';
    if (command.cancelWorkflowExecution) this.#closed = 'cancelled';
  }

  #schedule({ seq, activityType, arguments: args }: coresdk.workflow_commands.IScheduleActivity): Task {
    const input = args?.[0] ? fromPayload<Task['input']>(args[0]) : {};
    const step = typeof input.step === 'object' ? input.step.name : (input.subject?.step ?? '');
    const task: Task = {
      seq: seq ?? 0,
      name: activityType as ActivityName,
      input,
      step,
      cancelRequested: false,
    };
    this.#tasks.push(task);
    return task;
  }

  #info(workflowId: string): never {
    const { taskQueue, runId } = { taskQueue: TASK_QUEUE, runId: this.#runId };
    return {
      ...{ workflowId, runId, workflowType: ROLLOUT_WORKFLOW, taskQueue, namespace: 'default', attempt: 1 },
      ...{ searchAttributes: {}, typedSearchAttributes: new TypedSearchAttributes(), memo: {} },
      ...{ firstExecutionRunId: runId, originalExecutionRunId: runId, taskTimeoutMs: 10_000 },
      ...{ startTime: new Date(this.#startedAtMs), runStartTime: new Date(this.#startedAtMs) },
      ...{ historyLength: 3, historySize: 300, continueAsNewSuggested: false, currentBuildId: '' },
      unsafe: { now: Date.now, isReplaying: false, isReplayingHistoryEvents: false },
    } as never;
  }
}
