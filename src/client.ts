/** Everything that can be done with rollouts from outside: what the command line is made of. */
import { randomUUID } from 'node:crypto';
import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowExecutionDescription,
  type WorkflowExecutionInfo,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { isUnfinished, openDeeds, readPlan } from './client-take-back.js';
import type { Finding } from './contract/activities.js';
import type { Deeds, Preview, RolloutInput, RolloutMemo, RolloutResult } from './contract/inputs.js';
import {
  type ApprovalAnswer,
  EXAMINE_WORKFLOW,
  LONG_TASK_QUEUE,
  type MessageName,
  type OperatorAnswer,
  PREVIEW_WORKFLOW,
  PROGRESS_QUERY,
  ROLLOUT_WORKFLOW,
  rolloutWorkflowId,
  SEARCH_ATTRIBUTES,
  TASK_QUEUE,
} from './contract/messages.js';
import { toMarkdown } from './contract/plain-text.js';
import type { Progress } from './contract/progress.js';
import type { ResolvedPlan } from './plan/resolved.js';
import { connectTemporal, type TemporalConnection } from './platform/connection.js';

const QUERY_TIMEOUT_MS = 2_000;
/**
 * A worker on a machine under a load test is slow, and not gone. And for ten seconds the server keeps for a worker that
 * has died what the next one could answer.
 */
const PATIENT_QUERY_TIMEOUT_MS = 13_000;
const UPDATE_TIMEOUT_MS = 15_000;
const PREVIEW_TIMEOUT = '5m';
/** A worker polls again within a minute; one that was not seen for longer is gone. */
const POLLER_IS_ALIVE_MS = 75_000;
const WATCH_INTERVAL_MS = 400;
const MOST_LISTED = 100;
/** gRPC. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;

export type ClientErrorCode = 'unknown' | 'refused' | 'unreachable' | 'noWorker';

/** `message` is for people: what is wrong, and what to do. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** A rollout is named `application` (its latest run) or `application/runId`. */
export interface RolloutName {
  application: string;
  runId: string;
}

export interface PendingActivity {
  name: string;
  state: 'scheduled' | 'started' | 'cancelRequested';
  attempt: number;
  scheduledAt?: Date;
  /** The last heartbeat. */
  heartbeat?: unknown;
  lastFailure?: string;
}

export interface RolloutState extends RolloutName {
  /** Of the workflow: `RUNNING`, `COMPLETED`, `FAILED`, `CANCELLED`, `TERMINATED`, `TIMED_OUT`. */
  temporalStatus: string;
  version: string;
  startedBy: string;
  startedAt: Date;
  closedAt?: Date;
  /** Absent when no step has ended and no worker answers. */
  progress?: Progress;
  /** `memo`: no worker answered, this is as of the last step that ended, or of what `watch` has seen since. */
  source: 'workflow' | 'memo';
  /** What can still be taken back: of an open run, of one that was ended in the middle, of one that was promoted. */
  deeds?: Deeds;
  pending: PendingActivity[];
}

export class Headgate {
  private constructor(private readonly temporal: TemporalConnection) {}

  /** @throws ClientError `unreachable` */
  static async connect(): Promise<Headgate> {
    try {
      return new Headgate(await connectTemporal());
    } catch (error) {
      throw new ClientError('unreachable', error instanceof Error ? error.message : String(error));
    }
  }

  get address(): string {
    return this.temporal.address;
  }

  get namespace(): string {
    return this.temporal.namespace;
  }

  async close(): Promise<void> {
    await this.temporal.connection.close();
  }

  /**
   * @throws ClientError `refused` when a rollout of the application is open (who started it, since when, how to
   * watch), and when the last one was ended in the middle and nobody has taken it back or accepted it
   */
  async start(
    plan: ResolvedPlan,
    startedBy: string,
    signedStart?: RolloutInput['signedStart'],
  ): Promise<RolloutName> {
    await this.refuseAfterUnfinished(plan.application);
    const searchAttributes = await this.knowsSearchAttributes();
    return this.open({ plan, startedBy, searchAttributes, ...(signedStart ? { signedStart } : {}) });
  }

  /**
   * Starts a run that takes back what `rollout` has done: it was terminated, or promoted and regretted.
   * @throws ClientError `refused` when it is open, has left nothing, or a later run stands on what it has done
   */
  async undo(rollout: string, by: string, reason?: string): Promise<RolloutName> {
    return this.openTakeBack(await this.describe(rollout), { by, reason, accept: false });
  }

  private async openTakeBack(
    { application, runId, temporalStatus, deeds }: RolloutState,
    how: { by: string; reason?: string; accept: boolean },
  ): Promise<RolloutName> {
    const name = `${application}/${runId}`;
    if (temporalStatus === 'RUNNING') {
      throw new ClientError('refused', `${name} is open. To take it back: headgate abort ${application}`);
    }
    const latest = await this.describe(application);
    if (latest.progress?.undoes === name && latest.progress.outcome === 'rolledBack') {
      throw new ClientError('refused', `${name} was taken back already, by ${application}/${latest.runId}.`);
    }
    if (latest.runId !== runId && latest.deeds) {
      throw new ClientError(
        'refused',
        `${application}/${latest.runId} came after ${name} and stands on it. Take that one back first: headgate undo ${application}`,
      );
    }
    if (!deeds) {
      throw new ClientError(
        'refused',
        `${name} has left nothing that could be taken back: headgate report ${name}`,
      );
    }
    const plan = await readPlan(this.temporal, application, runId);
    const searchAttributes = await this.knowsSearchAttributes();
    return this.open({ plan, startedBy: how.by, searchAttributes, takeBack: { deeds, ...how } });
  }

  private async refuseAfterUnfinished(application: string): Promise<void> {
    const last = await this.describe(application).catch((error: unknown) => {
      if (error instanceof ClientError && error.code === 'unknown') return undefined;
      throw error;
    });
    if (!last?.deeds || !isUnfinished(last.temporalStatus, last.progress)) return;
    const steps = last.deeds.records.map(({ step }) => step).join(', ');
    throw new ClientError(
      'refused',
      `${application}/${last.runId} was ended in the middle (${last.temporalStatus.toLowerCase()}) and has left ${steps} as it was then. Take it back: headgate undo ${application}. Or leave it so: headgate accept ${application}`,
    );
  }

  private async open(input: RolloutInput): Promise<RolloutName> {
    const { plan, startedBy, takeBack } = input;
    const { application, version, digest } = plan;
    const memo: RolloutMemo = { startedBy, version, planDigest: digest };
    try {
      const handle = await this.client.workflow.start(ROLLOUT_WORKFLOW, {
        workflowId: rolloutWorkflowId(application),
        taskQueue: TASK_QUEUE,
        args: [input],
        memo: { ...memo },
        workflowIdConflictPolicy: 'FAIL',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: `${application} ${version}${takeBack ? ', taken back' : ''}, by ${toMarkdown(startedBy)}`,
        staticDetails: plan.stages
          .map(({ name, steps }) => `- **${name}**: ${steps.map(({ id }) => id).join(', ')}`)
          .join('\n'),
      });
      return { application, runId: handle.firstExecutionRunId };
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const open = await this.describe(application);
      throw new ClientError(
        'refused',
        `${application} is being rolled out already: ${open.version}, started by ${open.startedBy} at ${open.startedAt.toISOString()}. Watch it: headgate watch ${application}. End it: headgate abort ${application}`,
      );
    }
  }

  /** @throws ClientError `noWorker` */
  async preview(plan: ResolvedPlan): Promise<Preview> {
    await this.requireWorker();
    return this.client.workflow.execute(PREVIEW_WORKFLOW, {
      workflowId: `headgate/preview/${plan.application}/${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      args: [{ plan }],
      workflowExecutionTimeout: PREVIEW_TIMEOUT,
    }) as Promise<Preview>;
  }

  /** The worker's part of `doctor`. */
  examineWorker(): Promise<Finding[]> {
    return this.client.workflow.execute(EXAMINE_WORKFLOW, {
      workflowId: `headgate/examine/${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      workflowExecutionTimeout: PREVIEW_TIMEOUT,
    }) as Promise<Finding[]>;
  }

  /** @throws ClientError `unknown` */
  async describe(rollout: string): Promise<RolloutState> {
    const description = await this.describeWorkflow(rollout);
    const state = describedStateOf(description);
    if (state.temporalStatus === 'RUNNING') {
      const progress = await this.queryProgress(state);
      return progress ? { ...state, progress, source: 'workflow' } : state;
    }
    return this.complete(state);
  }

  /**
   * One state after the other, as they change, until the rollout has closed; the progress never goes backwards. Ends
   * when `signal` says so.
   */
  async *watch(rollout: string, signal: AbortSignal): AsyncGenerator<RolloutState> {
    const { application, runId } = describedStateOf(await this.describeWorkflow(rollout));
    let shown = '';
    let newest: Progress | undefined;
    while (!signal.aborted) {
      const state = withNewest(await this.describe(`${application}/${runId}`), newest);
      newest = state.progress;
      const now = JSON.stringify([
        state.progress?.revision,
        state.source,
        state.temporalStatus,
        state.pending,
      ]);
      if (now !== shown) yield state;
      shown = now;
      if (state.temporalStatus !== 'RUNNING') return;
      await pause(WATCH_INTERVAL_MS, signal);
    }
  }

  /** The newest first. */
  async list(): Promise<RolloutState[]> {
    const found: RolloutState[] = [];
    for await (const info of this.client.workflow.list({ query: `WorkflowType = '${ROLLOUT_WORKFLOW}'` })) {
      found.push(stateOf(info));
      if (found.length === MOST_LISTED) break;
    }
    return found;
  }

  /**
   * Sends an answer as an update: it is carried out, or refused with the reason.
   * @throws ClientError `refused`, `unknown`, `noWorker`
   */
  async send(rollout: string, name: MessageName, answer: ApprovalAnswer | OperatorAnswer): Promise<void> {
    const { application, runId, temporalStatus } = describedStateOf(await this.describeWorkflow(rollout));
    if (name === 'accept' && temporalStatus !== 'RUNNING') {
      await this.acceptUnfinished(rollout, answer);
      return;
    }
    if (temporalStatus !== 'RUNNING') {
      throw new ClientError(
        'refused',
        `${application}/${runId} has ended (${temporalStatus.toLowerCase()}); nothing waits for ${name}. See: headgate status ${application}`,
      );
    }
    const handle = this.client.workflow.getHandle(rolloutWorkflowId(application), runId);
    // An update that is given up may still be carried out by a worker that comes later: none is sent into the void.
    if (!(await this.queryProgress({ application, runId }, PATIENT_QUERY_TIMEOUT_MS))) {
      if (name !== 'abort') throw noWorker(`${name} was not taken`);
      // What must not be lost is sent as a signal: the server keeps it until a worker is back.
      await handle.signal(name, answer);
      throw noWorker('The abort is recorded and will be taken up when a worker is back');
    }
    try {
      await this.temporal.connection.withDeadline(Date.now() + UPDATE_TIMEOUT_MS, () =>
        handle.executeUpdate(name, { args: [answer] }),
      );
    } catch (error) {
      if (error instanceof WorkflowUpdateFailedError) {
        throw new ClientError('refused', `${name} was refused: ${error.cause?.message ?? error.message}`);
      }
      if (error instanceof WorkflowNotFoundError) {
        throw new ClientError('refused', `${application}/${runId} has ended; nothing waits for ${name}.`);
      }
      if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
      throw noWorker(`Nothing tells whether ${name} was taken; look at headgate status ${application}`);
    }
  }

  /** A run that was ended in the middle is closed as it is, by a run that says so. */
  private async acceptUnfinished(
    rollout: string,
    { by = 'somebody', reason }: ApprovalAnswer | OperatorAnswer,
  ): Promise<void> {
    const state = await this.describe(rollout);
    if (!isUnfinished(state.temporalStatus, state.progress)) {
      throw new ClientError(
        'refused',
        `${state.application}/${state.runId} has ended (${state.progress?.outcome ?? state.temporalStatus.toLowerCase()}); nothing waits for accept.`,
      );
    }
    await this.openTakeBack(state, { by, reason, accept: true });
  }

  /** Queues that nobody polls. */
  async idleQueues(): Promise<string[]> {
    const queues = [TASK_QUEUE, LONG_TASK_QUEUE];
    const polled = await Promise.all(queues.map((queue) => this.isPolled(queue)));
    return queues.filter((_, index) => !polled[index]);
  }

  /** Search attributes that the namespace does not know. */
  async missingSearchAttributes(): Promise<string[]> {
    const { customAttributes } = await this.temporal.connection.operatorService.listSearchAttributes({
      namespace: this.namespace,
    });
    return Object.values(SEARCH_ATTRIBUTES).filter((name) => !(name in customAttributes));
  }

  async registerSearchAttributes(names: string[]): Promise<void> {
    const keyword = 2;
    await this.temporal.connection.operatorService.addSearchAttributes({
      namespace: this.namespace,
      searchAttributes: Object.fromEntries(names.map((name) => [name, keyword])),
    });
  }

  private get client(): Client {
    return this.temporal.client;
  }

  /** A server that does not tell counts as one that has none: an upsert of an unknown one would fail for ever. */
  private async knowsSearchAttributes(): Promise<boolean> {
    return this.missingSearchAttributes().then(
      (missing) => missing.length === 0,
      () => false,
    );
  }

  private async requireWorker(): Promise<void> {
    const idle = await this.idleQueues();
    if (idle.length > 0) throw noWorker(`Nobody polls the task queue ${idle.join(' and ')}`);
  }

  private async isPolled(queue: string): Promise<boolean> {
    const activity = 2;
    const { pollers } = await this.temporal.connection.workflowService.describeTaskQueue({
      namespace: this.namespace,
      taskQueue: { name: queue },
      taskQueueType: activity,
    });
    const since = Date.now() - POLLER_IS_ALIVE_MS;
    return (pollers ?? []).some(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000 > since);
  }

  private async describeWorkflow(rollout: string): Promise<WorkflowExecutionDescription> {
    const [application = '', runId] = rollout.split('/');
    try {
      return await this.client.workflow.getHandle(rolloutWorkflowId(application), runId).describe();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError) && !isGrpc(error, INVALID_ARGUMENT, NOT_FOUND))
        throw error;
      throw new ClientError(
        'unknown',
        `There is no rollout ${rollout} in namespace ${this.namespace} at ${this.address}. Those that there are: headgate list`,
      );
    }
  }

  private async queryProgress(
    { application, runId }: RolloutName,
    timeoutMs = QUERY_TIMEOUT_MS,
  ): Promise<Progress | undefined> {
    const handle = this.client.workflow.getHandle(rolloutWorkflowId(application), runId);
    try {
      return await this.temporal.connection.withDeadline(Date.now() + timeoutMs, () =>
        handle.query<Progress>(PROGRESS_QUERY),
      );
    } catch {
      // No worker, or the first task is still under way: the memo is what there is.
      return undefined;
    }
  }

  /** What a closed rollout returned is whole; a failed, cancelled or terminated one left it in its memo. */
  private async complete(state: RolloutState): Promise<RolloutState> {
    if (state.temporalStatus !== 'COMPLETED') return state;
    const handle = this.client.workflow.getHandle(rolloutWorkflowId(state.application), state.runId);
    const { progress }: RolloutResult = await handle.result();
    return { ...state, progress, source: 'workflow' };
  }
}

/** The memo is as of the last step that ended: what a worker has told since then is newer, and fuller at the same revision. */
function withNewest(state: RolloutState, newest: Progress | undefined): RolloutState {
  const isOlder = newest && (state.progress?.revision ?? 0) <= newest.revision;
  return state.source === 'memo' && isOlder ? { ...state, progress: newest } : state;
}

function describedStateOf(description: WorkflowExecutionDescription): RolloutState {
  return { ...stateOf(description), pending: pendingOf(description) };
}

function stateOf(info: Omit<WorkflowExecutionInfo, 'raw'>): RolloutState {
  const memo = (info.memo ?? {}) as Partial<RolloutMemo>;
  return {
    application: info.workflowId.replace(/^rollout\//, ''),
    runId: info.runId,
    temporalStatus: info.status.name,
    version: memo.version ?? '',
    startedBy: memo.startedBy ?? 'somebody',
    startedAt: info.startTime,
    closedAt: info.closeTime,
    progress: memo.progress,
    deeds: openDeeds(memo),
    source: 'memo',
    pending: [],
  };
}

const ACTIVITY_STATES: Record<number, PendingActivity['state']> = {
  1: 'scheduled',
  2: 'started',
  3: 'cancelRequested',
};

function pendingOf({ raw }: WorkflowExecutionDescription): PendingActivity[] {
  return (raw.pendingActivities ?? []).map((activity) => {
    const [payload] = activity.heartbeatDetails?.payloads ?? [];
    const seconds = activity.scheduledTime?.seconds;
    return {
      name: activity.activityType?.name ?? '',
      state: ACTIVITY_STATES[activity.state ?? 1] ?? 'scheduled',
      attempt: activity.attempt ?? 1,
      scheduledAt: seconds ? new Date(Number(seconds) * 1000) : undefined,
      heartbeat: payload ? defaultPayloadConverter.fromPayload(payload) : undefined,
      lastFailure: activity.lastFailure?.message ?? undefined,
    };
  });
}

function noWorker(what: string): ClientError {
  return new ClientError(
    'noWorker',
    `${what}: no worker answers. Start one where the credentials are: headgate worker`,
  );
}

function isGrpc(error: unknown, ...codes: number[]): boolean {
  const causes = [error, error instanceof Error ? error.cause : undefined];
  return causes.some(
    (cause) => cause instanceof Error && 'code' in cause && codes.includes(Number(cause.code)),
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
