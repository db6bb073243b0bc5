/** What every deploy target is. All calls are safe to repeat; each returns when the thing is done, or throws. */
import type { Release, RolloutContext } from '../../contract/activities.js';

export interface TargetCall<Config> {
  /** References resolved: may hold secrets, never leaves the activity. */
  config: Config;
  context: RolloutContext;
  stage: string;
  image?: string;
  signal: AbortSignal;
}

export interface TargetStatus {
  live: Release;
  candidate: Release | null;
}

/** Of a log the newest bytes are told, from the beginning of a line on. */
export const LONGEST_LOG_BYTES = 1024 * 1024;

/** The process that runs now, or the one before it. */
export type LogOf = 'current' | 'previous';

export interface Target<Config> {
  kind: string;
  /** Can it hold a release beside the live one? Decides whether `beforePromotion` is allowed. Pure. */
  staged(config: Config): boolean;
  effect: 'idempotent' | 'detectable' | 'neither';
  status(call: TargetCall<Config>): Promise<TargetStatus>;
  /** Staged: starts the release of `context.version` beside the live one. Opaque: absent. */
  prepare(call: TargetCall<Config>): Promise<Release>;
  /** Moves live traffic to `release`. */
  promote(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Moves live traffic back to `release`, which is still warm. */
  restore(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Stops `release`. */
  retire(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Starts `release` again with its configuration read anew, without a gap in service. */
  restart(call: TargetCall<Config>, release: Release): Promise<void>;
  /** The log of `release`; undefined where the target has none to tell. */
  logs?(call: TargetCall<Config>, release: Release, which: LogOf): Promise<string | undefined>;
}
