/** What every deploy target is. All calls are safe to repeat; each returns when the thing is done, or throws. */
import type { Release, RolloutContext, Scale } from '../../contract/activities.js';
import type { DeployStrategy, Json } from '../../plan/resolved.js';

export interface TargetCall<Config> {
  /** References resolved: may hold secrets, never leaves the activity. */
  config: Config;
  context: RolloutContext;
  stage: string;
  /** The deploy step in full: `production/deploy`. */
  step: string;
  strategy: DeployStrategy;
  /** As the plan names it, by its digest where that could be found out: `registry/shop:v1.0.1@sha256:…`. */
  image?: string;
  /** What `pin` said when this was looked at, for the one release that was: nothing else is deployed under its name. */
  pinned?: string;
  /**
   * What an earlier attempt of this activity has kept; a killed worker loses at most the last second of it. Another
   * activity never sees it.
   */
  recalled?: Json;
  /** At most 4 KB. */
  keep(value: Json): void;
  /** What it does now, one line with whatever link helps: `watch` shows it. */
  tell(line: string): void;
  /** A person has looked and says that what nobody knew of was not done: it is to be done. */
  knownUndone?: boolean;
  signal: AbortSignal;
}

export interface TargetStatus {
  /** What the target is meant to serve: a release that was promoted and does not come up is live all the same. */
  live: Release;
  /** What stands beside it; a release that was retired does not. */
  candidate: Release | null;
  /** The change to `live` has not come to its end, or came to a bad one: what it waits for, one line. */
  unsettled?: string;
  /** Of the live release, where the target knows. */
  scale?: Scale;
}

/** Of a log the newest bytes are told, from the beginning of a line on. */
export const LONGEST_LOG_BYTES = 1024 * 1024;

/** The process that runs now, or the one before it. */
export type LogOf = 'current' | 'previous';

export interface Target<Config> {
  kind: string;
  /** Can it hold a release beside the live one? Decides whether `beforePromotion` is allowed. Pure. */
  staged(config: Config, strategy: DeployStrategy): boolean;
  effect(config: Config): 'idempotent' | 'detectable' | 'neither';
  /** What it runs or reads out of the plan's folder, if it does: an approval covers what is in these files. Pure. */
  files?(config: Config): string[];
  status(call: TargetCall<Config>): Promise<TargetStatus>;
  /**
   * What the version stands for now, a commit for instance, so that an approval covers it. Undefined while it is not
   * there: an earlier step may be about to make it. Read only.
   */
  pin?(call: TargetCall<Config>): Promise<string | undefined>;
  /** Staged: starts the release of `context.version` beside the live one. Opaque: absent. */
  prepare(call: TargetCall<Config>): Promise<Release>;
  /**
   * Moves live traffic to `release`, and returns when it is there. Opaque: deploys `release.version`; repeated it finds
   * what an earlier attempt has begun and goes on with it.
   * @throws ApplicationFailure `UnknownResult` when nobody can tell whether an earlier attempt did it: a person is asked
   */
  promote(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Moves live traffic back to `release`, which is still warm. Opaque: deploys it again as it was. */
  restore(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Stops `release`. */
  retire(call: TargetCall<Config>, release: Release): Promise<void>;
  /** Starts `release` again with its configuration read anew, without a gap in service. */
  restart(call: TargetCall<Config>, release: Release): Promise<void>;
  /**
   * Makes a release anew that has been retired, beside what is live, from what the target has kept of it. Without it
   * its version is prepared.
   */
  recreate?(call: TargetCall<Config>, release: Release): Promise<Release>;
  /** The log of `release`; undefined where the target has none to tell. */
  logs?(call: TargetCall<Config>, release: Release, which: LogOf): Promise<string | undefined>;
}
