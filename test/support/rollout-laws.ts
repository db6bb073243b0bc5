/** What has to hold of every rollout, whatever its steps and whatever ends it: the promises of design §3, as checks. */
import type { ActivityName } from '../../src/contract/activities.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedPlan, ResolvedStep } from '../../src/plan/resolved.js';
import type { DeskResult, Task } from './desk-server.js';
import { findBackwards } from './progress-laws.js';
import { VERBS } from './rollout-scenarios.js';

const RANKS: Partial<Record<ActivityName, number>> = {
  restoreTraffic: 0,
  collectDiagnostics: 1,
  retireRelease: 2,
  undoSecret: 3,
  undoConfig: 3,
  undoInfra: 3,
  undoCommand: 3,
  undoGit: 3,
  restartRelease: 4,
  recreateRelease: 4,
};
const MEASURED = 5;

interface Back {
  name: ActivityName;
  step: string;
  rank: number;
  pass: number;
  succeeded?: boolean;
}

/** It may know already that it turns round while what was at work has not ended. */
export function isOnItsWayBack({ phase, stop }: Progress): boolean {
  return phase === 'rollingBack' || phase === 'stuck' || (phase === 'closed' && stop !== undefined);
}

/** Watches one rollout; throws at the first thing that must not be. */
export class Laws {
  readonly #steps: ResolvedStep[];
  readonly #begun = new Set<string>();
  readonly #back: Back[] = [];
  readonly #failedBefore: string[][] = [];
  #before: Progress | undefined;
  #pass = 0;
  #faulty: (step: string) => boolean;

  constructor(
    plan: ResolvedPlan,
    readonly opaque: string[],
    /** Has something been made to fail on the way back of a step? */
    isFaulty: (step: string) => boolean,
  ) {
    this.#steps = plan.stages.flatMap((stage) => stage.steps);
    this.#faulty = isFaulty;
  }

  /** After a workflow task: what it shows, and what it has asked for. */
  see({ progress, memo, scheduled }: { progress: Progress; memo?: Progress; scheduled: Task[] }): void {
    const before = this.#before;
    if (before) hold(findBackwards(before, progress));
    if (memo && memo.revision > progress.revision) throw new Error('the memo is ahead of the progress');
    this.#before = progress;
    for (const task of scheduled) {
      if (isOnItsWayBack(progress) && task.step) this.#seeBack(task);
      else this.#seeForward(task, progress);
    }
    for (const { step } of progress.compensations) {
      hold(this.#begun.has(step) ? [] : [`${step} was not begun, and is to be taken back`]);
    }
  }

  #seeForward({ name, step }: Task, { compensations }: Progress): void {
    const known = this.#steps.find((each) => each.name === step);
    if (!known || (VERBS[known.kind].undo.length === 0 && known.kind !== 'reboot')) return;
    if (!VERBS[known.kind].act.includes(name)) return;
    this.#begun.add(step);
    const recorded = compensations.find((each) => each.step === step);
    hold(recorded?.status === 'recorded' ? [] : [`${name} of ${step} is called before its undo is recorded`]);
  }

  #seeBack({ name, step, seq }: Task): void {
    // What only a retry would have needed goes when all is restored.
    if (name.startsWith('settle')) return;
    const earlier = this.#back.filter((each) => each.pass === this.#pass);
    const isMeasuredAgain =
      name === 'undoGit' && earlier.some((each) => each.name === name && each.step === step);
    const rank = isMeasuredAgain ? MEASURED : (RANKS[name] ?? MEASURED);
    const isAskedInTime = name === 'collectDiagnostics' && this.opaque.includes(step);
    const latest = Math.max(-1, ...earlier.map((each) => each.rank));
    if (!isAskedInTime) {
      hold(rank >= latest ? [] : [`${name} of ${step} (${rank}) comes after a later phase (${latest})`]);
      this.#back.push({ name, step, rank, pass: this.#pass });
    }
    hold(
      this.#begun.has(step) || rank === MEASURED ? [] : [`${name} of ${step}, which was not begun (${seq})`],
    );
    if (this.#pass > 0) this.#seeRepeated(name, step, rank);
  }

  /** After a retry: only what failed; and what started from a state that is restored only now. */
  #seeRepeated(name: ActivityName, step: string, rank: number): void {
    const failed = this.#failedBefore[this.#pass - 1] ?? [];
    const deploy = this.#steps.find((each) => each.name === step);
    const from = deploy?.kind === 'deploy' ? deploy.config.startsFrom : [];
    const isLate = rank >= 4 && from.some((state) => failed.includes(state));
    const isDone = this.#back.some(
      (each) => each.step === step && each.name === name && each.pass < this.#pass && each.succeeded,
    );
    if (!failed.includes(step)) hold(isLate ? [] : [`${name} of ${step} had not failed, and is repeated`]);
    else if (isDone && rank < MEASURED)
      hold(isLate ? [] : [`${name} of ${step} was done already, and is repeated`]);
  }

  ended({ name, step }: Task, succeeded: boolean): void {
    const back = this.#back.findLast((each) => each.name === name && each.step === step);
    if (back) back.succeeded = succeeded;
  }

  /** A person is asked about what could not be undone. */
  stuck({ compensations }: Progress): void {
    const open = compensations.filter(({ status }) => status === 'recorded' || status === 'undoing');
    hold(
      open.map(
        ({ step, status }) => `${step} is ${status} while a person is asked: another undo has stopped it`,
      ),
    );
    const failed = compensations.filter(({ status }) => status === 'failed');
    hold(
      failed.flatMap(({ step, item, command }) =>
        item && command ? [] : [`${step} failed, and nothing says how it is mended`],
      ),
    );
    hold(
      failed.flatMap(({ step }) =>
        this.#faulty(step) ? [] : [`${step} is said to have failed, and nothing of it did`],
      ),
    );
    this.#failedBefore[this.#pass] = failed.map(({ step }) => step);
  }

  retried(): void {
    this.#pass += 1;
  }

  end({ progress, closed, locks }: DeskResult): void {
    const { outcome, stop, compensations, left } = progress;
    const failed = compensations.filter(({ status }) => status === 'failed');
    const expected = !stop
      ? 'promoted'
      : stop.kind === 'refused' && compensations.length === 0
        ? 'refused'
        : failed.length > 0
          ? 'rollbackIncomplete'
          : 'rolledBack';
    hold(outcome === expected ? [] : [`outcome ${outcome}, expected ${expected}`]);
    const end =
      expected === 'rollbackIncomplete'
        ? 'failed'
        : expected === 'rolledBack' && stop?.kind === 'cancel'
          ? 'cancelled'
          : 'completed';
    hold(closed === end ? [] : [`closed as ${closed}, expected ${end}`]);
    hold(locks.taken === locks.closed ? [] : [`${locks.closed} of ${locks.taken} locks are closed`]);
    for (const step of this.#begun) {
      const own = compensations.find((each) => each.step === step);
      hold(own ? [] : [`${step} was begun, and nothing is known of its undo`]);
      if (!stop || !own) continue;
      hold(
        ['undone', 'kept', 'notNeeded', 'failed'].includes(own.status)
          ? []
          : [`${step} is left ${own.status}`],
      );
      const isNamed = left.some((line) => line.includes(own.description) || line.includes(own.item ?? step));
      hold(
        ['kept', 'failed'].includes(own.status) && !isNamed
          ? [`${step} is ${own.status}, and not named in what is left`]
          : [],
      );
      if (own.status === 'undone') this.#requireRestart(step, compensations);
    }
    if (stop) this.#requireReverse(progress);
  }

  /** A release that reads state when it starts was started again after the last of that state was restored. */
  #requireRestart(step: string, compensations: Progress['compensations']): void {
    const deploy = this.#steps.find((each) => each.name === step);
    if (deploy?.kind !== 'deploy') return;
    const restored = deploy.config.startsFrom.filter((name) =>
      compensations.some((each) => each.step === name && each.status === 'undone'),
    );
    const lastState = this.#back.findLastIndex((each) => each.rank === 3 && restored.includes(each.step));
    const lastStart = this.#back.findLastIndex((each) => each.rank === 4 && each.step === step);
    hold(
      lastState >= 0 && lastStart < lastState
        ? [`${step} was not started again after ${restored.join(', ')} was restored`]
        : [],
    );
  }

  /** State goes back in the reverse of the order in which it was begun. */
  #requireReverse({ compensations }: Progress): void {
    const order = compensations.map(({ step }) => step);
    const states = this.#back
      .filter((each) => each.rank === 3 && each.pass === 0)
      .map((each) => order.indexOf(each.step));
    const isReverse = states.every((place, index) => index === 0 || place < (states[index - 1] ?? 0));
    hold(isReverse ? [] : [`state was taken back in the order ${states.join(', ')}`]);
  }
}

function hold(faults: string[]): void {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}
