/** What every step kind is: five verbs. The preview, the way back and the documentation follow from them. */
import type { Look, UndoResult } from '../../contract/activities.js';
import type { Restoration } from '../../contract/progress.js';
import type { ResolvedStep } from '../../plan/resolved.js';
import type { Run } from '../run.js';

export type RestorationCheck = Restoration['checks'][number];

/** Whose tokens, labels and backups what was done bears. */
export interface Deed {
  runId: string;
  version: string;
  /** What was live before is not there any more. */
  isGone?: boolean;
}

/** Repeatable each, and never asked to undo more than the step may have done. */
export interface Undo<Step extends ResolvedStep, Found> {
  /** One line for the approval: what the way back would do. */
  describe(step: Step, look: Look<Found>): string;
  /** What stays where the plan says `keep`; the step's effect as a whole when left out. */
  keeps?(step: Step, look: Look<Found>): string;
  /** The line with which a person does it by hand, in the plan's folder. */
  mend(step: Step, look: Look<Found>, deed: Deed): string;
  /** First of all: live traffic back to where it was. */
  traffic?(run: Run, step: Step, look: Look<Found>): Promise<UndoResult>;
  /** Then: what failed tells what it can, within a bounded time. Never fails the way back. */
  secure?(run: Run, step: Step, look: Look<Found>): Promise<void>;
  /** Then: what failed is stopped. */
  stop?(run: Run, step: Step, look: Look<Found>): Promise<UndoResult>;
  /** Then, in reverse order: state. */
  state?(run: Run, step: Step, look: Look<Found>): Promise<UndoResult>;
  /** Then: what started from undone state is started again. */
  restart?(run: Run, step: Step, look: Look<Found>, undone: Set<string>): Promise<UndoResult>;
  /** After all of it is restored: what only a retry would have needed goes. A failure here only warns. */
  tidy?(run: Run, step: Step, look: Look<Found>): Promise<void>;
  /** At last: is it as it was looked at before the first change? */
  measure(run: Run, step: Step, look: Look<Found>): Promise<RestorationCheck[]>;
}

export interface StepVerbs<Step extends ResolvedStep, Found = null> {
  /** Read only. */
  look(run: Run, step: Step): Promise<Look<Found>>;
  /** @returns one line: what was done or found */
  act(run: Run, step: Step, look: Look<Found>): Promise<string>;
  verify(run: Run, step: Step, look: Look<Found>): Promise<void>;
  /** Null for a kind that changes nothing. */
  undo: Undo<Step, Found> | null;
  /** After the last gate. A failure here only warns. */
  settle(run: Run, step: Step, look: Look<Found>): Promise<void>;
}

/** The look of a kind that changes nothing: an approval of it is bound to the plan alone. */
export function nothingToLookAt(line?: string): Look<null> {
  return { found: null, changes: line ? [line] : [], warnings: [], effect: 'none', digest: '' };
}

export async function nothing(): Promise<void> {
  // Five verbs, always: this kind has nothing to do for this one.
}
