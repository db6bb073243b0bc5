/** What a step kind has to tell so that it can be killed at every moment, and judged from outside. */
import type { RolloutState } from '../../src/client.js';
import type { ActivityName } from '../../src/contract/activities.js';
import type { Progress, Waiting } from '../../src/contract/progress.js';
import type { Json, StepKind } from '../../src/plan/resolved.js';
import { type Place, whenHeld } from './crash-place.js';

/** Before the effect, in the middle of it, after it when nobody has been told, in the middle of its undo. */
export const MOMENTS = ['before', 'during', 'unrecorded', 'undo'] as const;
export type Moment = (typeof MOMENTS)[number];

/** What all cells share. */
export interface Parts {
  /** Of Temporal. */
  address: string;
  /** Of moto. */
  aws: string;
}

/** What one step works on. `Seen` is all that somebody from outside sees of it, and of what lies beside it. */
export interface World<Seen = unknown> {
  probes?: { [name: string]: Json };
  /** Of the plan's one stage; a last gate follows them. */
  steps: Json[];
  notify?: Json[];
  /** Of the worker. */
  env?: Record<string, string>;
  read(): Promise<Seen>;
  expectPromoted(before: Seen, after: Seen, progress: Progress): void;
  expectRestored?(before: Seen, after: Seen): void;
  /** What a person says who looks at the facts. A rollout that asks without it has failed. */
  answer?(waiting: Waiting): Promise<Answer>;
  close?(): Promise<void>;
}

export type Answer =
  | { name: 'approve'; gate: string; digest: string }
  | { name: 'skip' | 'retry'; step: string; reason: string };

/** How the worker itself dies; see crash-worker.mjs. */
export type Crash =
  | { activity: ActivityName; when: 'before' | 'after' }
  | { rename: string; when: 'before' | 'after'; nth: number };

export interface Scene<W> {
  world: W;
  place: Place;
  /** As the rollout shows itself. */
  describe: () => Promise<RolloutState | undefined>;
  /** SIGKILL; resolves when the worker is gone. */
  kill: () => Promise<void>;
}

/** At which fact the worker dies. */
export interface Fact<W extends World = World> {
  name: string;
  crash?: Crash;
  /** Kills when the fact is there; resolves then, or at once when something else waits for it. */
  arm?(scene: Scene<W>): void | Promise<void>;
}

export interface Subject<W extends World = World> {
  /** Tells several of one kind apart. */
  name: string;
  /** Why it cannot be here: its cells are left out, and counted. */
  missing?: string;
  /** Activities that carry the effect. */
  acts: ActivityName[];
  open(place: Place, parts: Parts): Promise<W>;
  during: Fact<W>[];
  /** A text: why there is nothing to take back. */
  undo: Fact<W>[] | string;
}

export interface Cell {
  kind: StepKind;
  subject: Subject;
  moment: Moment;
  fact: Fact;
}

export function cellsOf(kind: StepKind, subject: Subject): Cell[] {
  const dying = (when: 'before' | 'after'): Fact[] =>
    subject.acts.map((activity) => ({ name: activity, crash: { activity, when } }));
  const facts: Record<Moment, Fact[]> = {
    before: dying('before'),
    during: subject.during,
    unrecorded: dying('after'),
    undo: typeof subject.undo === 'string' ? [] : subject.undo,
  };
  return MOMENTS.flatMap((moment) => facts[moment].map((fact) => ({ kind, subject, moment, fact })));
}

/** One of the programs beside this file has come to a place where it may be held. */
export function heldAt<W extends World>(name: string, at: string): Fact<W> {
  return { name, arm: ({ place, kill }) => whenHeld(place, at, kill) };
}
