/** What the workflows are started with and what they return. Types only. */
import type { ResolvedPlan } from '../plan/resolved.js';
import type { BudgetResult, Look } from './activities.js';
import type { Outcome, Progress } from './progress.js';

export interface RolloutInput {
  plan: ResolvedPlan;
  startedBy: string;
  /** The namespace knows Headgate's search attributes; an upsert of an unknown one would fail the task for ever. */
  searchAttributes: boolean;
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
