/** What every probe is: one way of measuring. Judging the sample is not its business (see judge.ts). */
import type { Subject } from '../../contract/activities.js';
import type { Expectation, Json } from '../../plan/resolved.js';

/** What one measurement found: a JSON object that expectations look into by path, or why there is no evidence. */
export type Sample =
  | { kind: 'sample'; value: Json }
  /** The thing measured says no by itself (PostgreSQL's 53300, a refused connection to the release). */
  | { kind: 'fail'; message: string }
  /** It answered, but there is no datum to judge (no points yet, log unreadable). */
  | { kind: 'inconclusive'; message: string }
  /** The measuring itself went wrong (bad credentials, metric store down). */
  | { kind: 'error'; message: string };

export interface SampleRequest<Config> {
  /** All references resolved: may hold secrets, never leaves the activity. */
  config: Config;
  subject: Subject;
  expect: Expectation[];
  timeoutMs: number;
  signal: AbortSignal;
}

export interface Probe<Config> {
  kind: string;
  /** It changes something when it samples: never used for a baseline, sent once per use. */
  writes(config: Config): boolean;
  /** Paths whose value tells the configuration in force in a release: must read the same after a restore as before. */
  inForcePaths(config: Config, expect: Expectation[]): string[];
  /** Resolves, never rejects, for anything that the measured system does; rejects only with the signal's reason. */
  sample(request: SampleRequest<Config>): Promise<Sample>;
  /** Absent where there is nothing that would tell of a change. */
  following?: Following<Config>;
}

/** A probe that is told, and so does not have to ask again and again. */
export interface Following<Config> {
  /** Does the plan want this one to be followed? */
  wanted(config: Config): boolean;
  /**
   * The state as it is, then every change as it comes; with a cursor everything that has happened since. It ends when
   * the stream is lost or what is measured is not there, and says so before by a sample that is none; whoever wants to
   * go on begins again from the last cursor. Rejects with the signal's reason.
   */
  follow(request: FollowRequest<Config>): AsyncIterable<Followed>;
}

export interface FollowRequest<Config> extends Omit<SampleRequest<Config>, 'timeoutMs'> {
  /** Of the last one that was seen. */
  cursor?: Json;
}

export interface Followed {
  sample: Sample;
  /** From where nothing is lost and nothing comes twice: JSON of at most 3 KB, which bears no text of what is measured. */
  cursor?: Json;
  /** What happened since the cursor cannot be had in full any more, because of this. */
  gap?: string;
}
