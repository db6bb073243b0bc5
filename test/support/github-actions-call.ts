/** Calls of the githubActions target as the deploy activity makes them, at a pace for tests. */
import { createGithubActionsTarget } from '../../src/adapters/targets/githubActions/index.js';
import type { Pace } from '../../src/adapters/targets/githubActions/pace.js';
import { schema } from '../../src/adapters/targets/githubActions/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { TargetCall } from '../../src/adapters/targets/target.js';
import type { Json } from '../../src/plan/resolved.js';
import { configFor, type GithubDouble } from './github-actions-api.js';
import { subjectOf } from './subject.js';
import { type RecordedCall, targetCall } from './target-call.js';

export const FAST: Pace = {
  pollMs: 50,
  durableMs: 5,
  visibleMs: 400,
  patienceMs: 3_000,
  forceAfterMs: 100,
  cancelWithinMs: 1_000,
  switchMs: 300,
  longestRunMs: 60_000,
};
export const OLD = { id: 'v1.0.0', version: 'v1.0.0', url: 'http://127.0.0.1:1' };
export const NEW = { ...OLD, version: 'v1.0.1' };
export const TARGET = checked(schema, createGithubActionsTarget(FAST));

/** The stage began to change now. */
function contextNow() {
  return subjectOf('/nowhere', undefined, new Date().toISOString()).context;
}

export function callTo(
  double: GithubDouble,
  config: { [key: string]: Json } = {},
  change: Partial<TargetCall<{ [key: string]: Json }>> = {},
): RecordedCall {
  return targetCall('/nowhere', configFor(double, config), { context: contextNow(), ...change });
}

/** Nothing marks a run, and nothing tells it from another but its ref. */
export const UNMARKED: { [key: string]: Json } = { correlationInput: undefined as unknown as Json };
/** What is live the runs say. */
export const BY_RUNS: { [key: string]: Json } = {
  live: undefined as unknown as Json,
  inputs: undefined as unknown as Json,
};
