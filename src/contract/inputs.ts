/** What the workflows are started with and what they return. Types only. */
import type { ResolvedPlan } from '../plan/resolved.js';
import type { Baseline, BudgetResult, Look, SagaRecord } from './activities.js';
import type { Outcome, Progress } from './progress.js';

export interface RolloutInput {
  plan: ResolvedPlan;
  startedBy: string;
  /** The namespace knows Headgate's search attributes; an upsert of an unknown one would fail the task for ever. */
  searchAttributes: boolean;
  /** The initiator's signature over the start, and when it was made (ISO). */
  signedStart?: { at: string; signature: string };
  /** Nothing is rolled out: what another run has left is taken back, or accepted. */
  takeBack?: TakeBack;
}

/** What a run has done, as its memo holds it: readable on the server whatever became of the run. */
export interface Deeds {
  /** The run whose tokens, labels and backups they bear. */
  runId: string;
  /** In the order in which they were begun. */
  records: SagaRecord[];
  /** By the deploy step's name. */
  baselines: Record<string, Baseline>;
}

export interface TakeBack {
  deeds: Deeds;
  by: string;
  reason?: string;
  /** Leave it as it is, and be done with it. */
  accept: boolean;
}

/** Result of a rollout that completes; a failed or cancelled one leaves the same in its memo. */
export interface RolloutResult {
  outcome: Outcome;
  progress: Progress;
}

/** The memo of a rollout: readable on the server without any worker, on open, closed and terminated runs. */
export interface RolloutMemo {
  startedBy: string;
  version: string;
  planDigest: string;
  /** As of the last step that ended; never above 16 KB. */
  progress?: Progress;
  deeds?: Deeds;
}

export interface PreviewInput {
  plan: ResolvedPlan;
}

export interface PreviewStep {
  name: string;
  kind: string;
  look?: Look;
  /** Why it could not be looked at. */
  error?: string;
}

/** The live part of `headgate plan`: what is there and what would change. Touches nothing. */
export interface Preview {
  steps: PreviewStep[];
  budgets: { stage: string; result: BudgetResult }[];
}
