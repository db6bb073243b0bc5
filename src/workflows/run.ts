/** One rollout under way: its state, and every way in which that state may change. */

import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  CancellationScope,
  CancelledFailure,
  condition,
  patched,
  setCurrentDetails,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  Baseline,
  GitEffect,
  Look,
  Made,
  NotifyInput,
  Release,
  RolloutContext,
  SagaRecord,
  Subject,
} from '../contract/activities.js';
import type { Asked } from '../contract/commands.js';
import type { Deeds, RolloutInput } from '../contract/inputs.js';
import { SEARCH_ATTRIBUTES } from '../contract/messages.js';
import type {
  Compensation,
  Diagnostics,
  Measurement,
  Phase,
  Progress,
  StepProgress,
  StepStatus,
  StopReason,
  Waiting,
} from '../contract/progress.js';
import type {
  MonitorStep,
  NotifierSpec,
  NotifyMoment,
  ResolvedPlan,
  ResolvedStage,
  ResolvedStep,
} from '../plan/resolved.js';
import { notice } from './activity-options.js';
import { renderDetails } from './details.js';
import { commandsOf } from './notice-lines.js';
import { beginProgress, clip, compactProgress, INTERIM_LIMIT_BYTES, MEMO_LIMIT_BYTES } from './progress.js';
import { now } from './stop.js';

const MEASUREMENTS_KEPT = 20;
/** A command that is cut mends nothing. */
const LONGEST_NOTICE_LINE = 2_000;
const NOTICE_GRACE = '20s';

/** A step that may have changed something, with all that its undo needs. */
export interface SagaEntry {
  step: ResolvedStep;
  look: Look;
  compensation: Compensation;
  /** Phases of the way back that are done, so that a `retry` repeats only what failed. */
  done: Set<string>;
}

export interface Answer {
  name: 'approve' | 'reject' | 'retry' | 'skip' | 'accept';
  by: string;
  reason?: string;
  signature?: string;
  /** Fingerprint, once the signature is verified. */
  key?: string;
  /** Why the answer does not count after all. */
  why?: string;
}

export class Run {
  readonly plan: ResolvedPlan;
  readonly progress: Progress;
  readonly context: RolloutContext;
  readonly saga: SagaEntry[] = [];
  /** The release that a stage's gates judge. */
  readonly releases = new Map<string, Release>();
  /** By the deploy step's name. */
  readonly baselines = new Map<string, Baseline>();
  /** What was prepared beside the live release, by the deploy step's name. */
  readonly candidates = new Map<string, Release>();
  /** Deploys whose old release has been retired. */
  readonly gone = new Set<string>();
  /** What took the place of a retired release on the way back, by the deploy step's name. */
  readonly recreated = new Map<string, Release>();
  readonly pushed = new Map<string, GitEffect>();
  /** By the step that has made it, the last one last: what monitors are fenced by. */
  readonly made = new Map<string, Made>();
  /** Infrastructure whose apply was refused before it changed anything. */
  readonly neverApplied = new Set<string>();
  /** Monitors that have passed on evidence: what they watch has to hold as long as the rollout waits. */
  readonly monitored: MonitorStep[] = [];
  /** The run whose tokens, labels and backups what is done bears: this one, or the one that is taken back. */
  readonly deedsRunId: string;
  /** ISO, by stage: lines of a log count from here on. */
  readonly changeBegan = new Map<string, string>();
  /** `look` digests that an approval is bound to, by step. */
  readonly approvedLooks = new Map<string, string>();
  /** Answers to the present wait, oldest first. */
  answers: Answer[] = [];
  /** Who has signed the start. */
  initiator: { by: string; key: string } | undefined;
  /** The step that is being carried out. */
  currentStep: string | undefined;
  /**
   * Records deeds, secures diagnostics, tells in order. A rollout that was begun by a worker without these goes on
   * without them: its history has no place for their commands.
   */
  readonly isWhole: boolean;
  /** What each notifier needs to keep one thread per rollout, once it has been told what came before. */
  private readonly threads = new Map<NotifierSpec, Promise<string | undefined>>();
  private noticesUnderway = 0;
  private lastAttributes = '';

  constructor(
    readonly input: RolloutInput,
    readonly forward: CancellationScope,
    /** Read only; what it finds, and one line about how it would be undone. */
    readonly lookAt: (run: Run, step: ResolvedStep) => Promise<{ look: Look; undo: string | undefined }>,
  ) {
    const { runId, startTime } = workflowInfo();
    this.isWhole = patched('deeds');
    this.deedsRunId = input.takeBack?.deeds.runId ?? runId;
    this.plan = input.plan;
    this.progress = beginProgress(input, runId, startTime.getTime());
    this.context = {
      application: input.plan.application,
      version: input.plan.version,
      runId,
      directory: input.plan.directory,
      ...(input.plan.source ? { source: input.plan.source } : {}),
      startedBy: input.startedBy,
    };
  }

  /** To be called after every change of the progress. */
  changed(): void {
    this.progress.revision += 1;
    setCurrentDetails(renderDetails(this.progress));
  }

  /** Puts the progress where it can be read without any worker. Called when a step ends, not on every change: each call is an event. */
  keep(): void {
    // Who is to answer, or looks at what has ended, may find no worker: then this is all that there is to read.
    const isRead = this.progress.outcome !== undefined || this.progress.waiting !== undefined;
    const limit = isRead ? MEMO_LIMIT_BYTES : INTERIM_LIMIT_BYTES;
    upsertMemo({ progress: compactProgress(this.progress, limit) });
    this.publishAttributes();
  }

  enterPhase(phase: Phase): void {
    this.progress.phase = phase;
    this.changed();
  }

  /**
   * What does not depend on each other, at the same time: every activity that is waited for alone costs a workflow
   * task more. One that fails does not stop the others.
   */
  async sideBySide<Item, Result>(
    items: Item[],
    work: (item: Item) => Promise<Result>,
  ): Promise<PromiseSettledResult<Result>[]> {
    if (this.isWhole) return Promise.allSettled(items.map(work));
    const settled: PromiseSettledResult<Result>[] = [];
    for (const item of items) settled.push(...(await Promise.allSettled([work(item)])));
    return settled;
  }

  /**
   * First reason wins, and after the last gate none does; the forward flow ends at its next await, or where the caller
   * throws what this returns. Shown at once: what is at work may take its time to end.
   */
  turnRound(stop: StopReason): CancelledFailure {
    if (!this.progress.stop && !['settling', 'closed'].includes(this.progress.phase)) {
      this.progress.stop = stop;
      this.changed();
      this.forward.cancel();
    }
    return new CancelledFailure(this.progress.stop?.message ?? stop.message);
  }

  stageOf(step: ResolvedStep): ResolvedStage {
    const stage = this.plan.stages.find(({ name }) => name === step.stage);
    if (!stage) throw new TypeError(`no stage ${step.stage}`);
    return stage;
  }

  /** For what is done in a stage: logs are read from the moment on at which its change began. */
  contextOf(stage: string): RolloutContext {
    const startedAt = this.changeBegan.get(stage);
    const { context, deedsRunId: runId } = this;
    return startedAt === undefined ? { ...context, runId } : { ...context, runId, startedAt };
  }

  subjectOf(step: ResolvedStep, release = this.releases.get(step.stage)): Subject {
    return { context: this.contextOf(step.stage), stage: step.stage, step: step.name, release };
  }

  stepProgress(name: string): StepProgress {
    const step = this.progress.steps.find((candidate) => candidate.name === name);
    if (!step) throw new TypeError(`no step ${name}`);
    return step;
  }

  beginStep(name: string): void {
    const step = this.stepProgress(name);
    step.status = 'running';
    step.attempt += 1;
    step.startedAt ??= now();
    step.endedAt = undefined;
    this.progress.stage = step.stage;
    this.currentStep = name;
    this.changed();
  }

  endStep(name: string, status: StepStatus, summary?: string): void {
    const step = this.stepProgress(name);
    step.status = status;
    step.endedAt = now();
    if (summary !== undefined) step.summary = clip(summary);
    this.changed();
    this.keep();
  }

  markStep(name: string, status: StepStatus): void {
    this.stepProgress(name).status = status;
    this.changed();
  }

  note(name: string, summary: string): void {
    this.stepProgress(name).summary = clip(summary);
    this.changed();
  }

  record(name: string, measurements: Measurement[]): void {
    const step = this.stepProgress(name);
    const byProbe = new Map((step.measurements ?? []).map((m) => [m.probe, m]));
    for (const measurement of measurements) {
      byProbe.set(measurement.probe, { ...measurement, message: clip(measurement.message) });
    }
    step.measurements = [...byProbe.values()].slice(-MEASUREMENTS_KEPT);
    this.changed();
  }

  /** The last measurements of a stage, the newest steps' first; few and short, for they go to an activity. */
  measurementsOf(stage: string): Measurement[] {
    const steps = this.progress.steps.filter((step) => step.stage === stage);
    const all = steps.reverse().flatMap(({ measurements }) => measurements ?? []);
    return all
      .slice(0, MEASUREMENTS_KEPT)
      .map((each) => ({ ...each, message: clip(each.message, 200), values: {} }));
  }

  secured(diagnostics: Diagnostics): void {
    this.progress.diagnostics = [...(this.progress.diagnostics ?? []), diagnostics];
    this.changed();
  }

  warn(...warnings: string[]): void {
    for (const warning of warnings) {
      if (!this.progress.warnings.includes(warning)) this.progress.warnings.push(clip(warning));
    }
    this.changed();
  }

  /** Records the undo of a step before the step acts. A second look at the same step replaces the first. */
  compensate(step: ResolvedStep, look: Look, description: string): void {
    const compensation: Compensation = {
      step: step.name,
      kind: step.kind,
      description,
      status: 'recorded',
    };
    const known = this.saga.findIndex((entry) => entry.step.name === step.name);
    if (known >= 0) this.saga.splice(known, 1);
    this.saga.push({ step, look, compensation, done: new Set() });
    this.progress.compensations = this.saga.map((entry) => entry.compensation);
    this.changed();
    this.recordDeeds();
  }

  /**
   * Puts on the server what an undo needs, whatever becomes of this run. It gets there together with the command
   * that starts the effect.
   */
  recordDeeds(): void {
    if (!this.isWhole) return;
    const deeds: Deeds = {
      runId: this.deedsRunId,
      records: this.saga.map(
        ({ step, look }): SagaRecord => ({ step: step.name, found: look.found, digest: look.digest }),
      ),
      baselines: Object.fromEntries(this.baselines),
    };
    upsertMemo({ deeds });
  }

  entryOf(name: string): SagaEntry | undefined {
    return this.saga.find((entry) => entry.step.name === name);
  }

  /**
   * Shows what is waited for until `isOver` says so or the time is up.
   * @returns false when the time was up
   */
  async waitFor(waiting: Waiting, isOver: () => boolean, timeoutMs?: number): Promise<boolean> {
    const { phase } = this.progress;
    this.answers = [];
    this.progress.waiting = {
      ...waiting,
      until: timeoutMs === undefined ? undefined : new Date(Date.now() + timeoutMs).toISOString(),
    };
    this.progress.phase =
      phase === 'rollingBack' || phase === 'stuck' ? 'stuck' : waiting.for === 'hold' ? 'held' : 'waiting';
    this.changed();
    this.keep();
    try {
      if (timeoutMs === undefined) {
        await condition(isOver);
        return true;
      }
      return await condition(isOver, timeoutMs);
    } finally {
      this.progress.waiting = undefined;
      this.enterPhase(phase);
    }
  }

  /** Waits for the first answer of a person to a question. */
  async ask(waiting: Omit<Waiting, 'since'>): Promise<Answer> {
    await this.waitFor({ ...waiting, since: now() }, () => this.answers.length > 0);
    const answer = this.answers[0];
    if (!answer) throw new TypeError('a wait ended without an answer');
    return answer;
  }

  /** Tells the notifiers of the plan, without anything waiting for them. */
  tell(moment: NotifyMoment, title: string, lines: string[] = [], asked?: Asked): void {
    const about = {
      context: this.context,
      moment,
      outcome: this.progress.outcome,
      title,
      lines: lines.map((line) => clip(line, LONGEST_NOTICE_LINE)),
      commands: commandsOf(this.context, moment, asked),
    };
    const notifiers = this.plan.notify.filter(({ when }) => when.includes(moment));
    if (notifiers.length === 0) return;
    this.noticesUnderway += this.isWhole ? notifiers.length : 1;
    if (!this.isWhole) {
      void this.deliver({ ...about, notifiers });
      return;
    }
    for (const notifier of notifiers) {
      // One after the other to each: the first one begins the thread, and nobody waits for a receiver that is down.
      const before = this.threads.get(notifier) ?? Promise.resolve(undefined);
      const after = before.then((thread) => this.deliver({ ...about, notifiers: [notifier] }, thread));
      this.threads.set(notifier, after);
    }
  }

  /** @returns what the receiver needs to keep to its thread */
  private async deliver(input: NotifyInput, thread?: string): Promise<string | undefined> {
    const threads: Record<string, string> = thread === undefined ? {} : { 0: thread };
    try {
      const told = await CancellationScope.nonCancellable(() =>
        notice(`tell: ${input.title}`).notify({ ...input, threads }),
      );
      if (told?.warnings) this.warn(...told.warnings);
      return told?.threads['0'] ?? thread;
    } catch {
      this.warn(`nobody could be told: ${input.title}`);
      return thread;
    } finally {
      this.noticesUnderway -= 1;
    }
  }

  /** Gives notices under way a moment to arrive; they never hold up the end. */
  async noticesDelivered(): Promise<void> {
    await condition(() => this.noticesUnderway === 0, NOTICE_GRACE);
  }

  private publishAttributes(): void {
    if (!this.input.searchAttributes) return;
    const { stage, phase, outcome } = this.progress;
    const attributes = JSON.stringify([stage, phase, outcome]);
    if (attributes === this.lastAttributes) return;
    this.lastAttributes = attributes;
    upsertSearchAttributes([
      { key: keyword(SEARCH_ATTRIBUTES.stage), value: stage ?? null },
      { key: keyword(SEARCH_ATTRIBUTES.phase), value: phase },
      { key: keyword(SEARCH_ATTRIBUTES.outcome), value: outcome ?? null },
    ]);
  }
}

function keyword(name: string) {
  return defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
}
