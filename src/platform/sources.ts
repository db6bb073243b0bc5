/** Files of a plan that come from a git repository: what client and worker ask of it. */
import type { PinnedSource, PlanSource } from '../plan/resolved.js';

/** Why a source cannot be had. `message` and `fix` are sentences for the person who wrote the plan. */
export class SourceError extends Error {
  override readonly name = 'SourceError';

  constructor(
    /** The key of `source` that it is about. */
    readonly key: keyof PlanSource,
    message: string,
    readonly fix: string,
    /** Another time it may be there. */
    readonly mayPass = false,
  ) {
    super(message);
  }
}

/** @throws of every method: SourceError; the signal's reason when it is aborted */
export interface Sources {
  /** What `ref` leads to now. */
  pin(source: PlanSource, signal: AbortSignal): Promise<PinnedSource>;
  /**
   * The folder of the plan's files in this machine's own checkout: absolute, without any repository, shared by all
   * rollouts of the same commit. `undefined` while it is not there.
   */
  find(source: PinnedSource): Promise<string | undefined>;
  /** As `find`, and fetched when it is not there yet. */
  checkOut(source: PinnedSource, signal: AbortSignal): Promise<string>;
}
