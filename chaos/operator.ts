/** The people of a run: they watch it, answer what it asks, and mend what a colleague has done to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RolloutState } from '../src/client.js';
import type { ApprovalAnswer, OperatorAnswer } from '../src/contract/messages.js';
import type { Compensation, Waiting } from '../src/contract/progress.js';
import type { Injector } from './inject.js';
import type { Item, Seen } from './items/item.js';
import { handleOf, type Scene } from './scene.js';
import type { DrawnStep } from './schedule.js';

const POLL_MS = 150;
const RUN_TIMEOUT_MS = 300_000;
/** A rollout may be mended so often before it is accepted as it is. */
const MOST_MENDINGS = 3;

/** What was left at a moment, as the rollout named it and as it was seen from outside. */
export interface LeftOpen {
  waiting: Waiting;
  named: { step: string; expected?: string; text: string }[];
  seen: Map<string, Seen>;
}

export interface Watched {
  /** As it closed; open still when the time was up. */
  end: RolloutState | undefined;
  /** Of the progress, where one was smaller than the one before. */
  backwards: string[];
  leftOpen: LeftOpen[];
  /** What was answered, in words. */
  answered: string[];
  /** Steps that a person has let stand. */
  kept: Set<string>;
}

export class Operator {
  readonly #watched: Watched = {
    end: undefined,
    backwards: [],
    leftOpen: [],
    answered: [],
    kept: new Set(),
  };
  readonly #done = new Set<string>();
  #revision = 0;
  #mendings = 0;

  constructor(
    private readonly scene: Scene,
    private readonly injector: Injector,
  ) {}

  async watch(signal: AbortSignal): Promise<Watched> {
    const { lane, ground } = this.scene;
    const deadline = performance.now() + RUN_TIMEOUT_MS;
    while (performance.now() < deadline && !signal.aborted) {
      // The server may be away.
      const state = await lane.headgate.describe(ground.application).catch(() => undefined);
      if (state) {
        this.#watched.end = state;
        this.#follow(state);
        if (state.temporalStatus !== 'RUNNING') break;
        // What was answered may have come too late, or the worker may be away: the next look tells.
        await this.#answer(state).catch(() => undefined);
      }
      await sleep(POLL_MS);
    }
    return this.#watched;
  }

  #follow({ source, progress }: RolloutState): void {
    if (source !== 'workflow' || !progress) return;
    if (progress.revision < this.#revision) {
      this.#watched.backwards.push(`revision ${progress.revision} after ${this.#revision}`);
    }
    this.#revision = Math.max(this.#revision, progress.revision);
  }

  async #answer({ progress, source }: RolloutState): Promise<void> {
    if (source !== 'workflow' || !progress) return;
    const { held, waiting } = progress;
    const hold = this.scene.schedule.faults.find(({ name }) => name === 'hold and resume');
    if (held && Date.now() - Date.parse(held.at) > (hold?.forMs ?? 0)) {
      await this.#send('resume', { by: 'ana' });
    }
    if (!waiting) return;
    const key = `${waiting.for} ${waiting.since} ${waiting.digest ?? ''}`;
    if (this.#done.has(key)) return;
    if (waiting.for === 'approval') await this.#decide(waiting);
    else if (waiting.for === 'decision') await this.#judgeQuestion(waiting);
    else if (waiting.for === 'undo') await this.#help(waiting, progress.compensations);
    else return;
    this.#done.add(key);
  }

  async #decide(waiting: Waiting): Promise<void> {
    const { gate = '', digest = '', step } = waiting;
    const drawn = this.#drawnOf(step);
    if (drawn?.kind !== 'approval') throw new Error(`${step} is no approval`);
    await this.injector.reach('asked');
    await sleep(drawn.delayMs);
    const input = { gate, digest, by: 'ana', reason: 'chaos' };
    if (drawn.answer === 'never') return;
    if (drawn.answer !== 'approve and abort together') {
      await this.#send(drawn.answer, input);
      return;
    }
    const handle = handleOf(this.scene);
    const both = [handle.signal('approve', input), handle.signal('abort', { by: 'ben', reason: 'chaos' })];
    await Promise.all(this.scene.schedule.seed % 2 === 0 ? both : both.reverse());
    this.#watched.answered.push('approve and abort together');
  }

  /** Whether an effect is there: a person who looks finds out. */
  async #judgeQuestion({ step, message, answers }: Waiting): Promise<void> {
    const { schedule, world } = this.scene;
    if (schedule.whenAsked === 'abort' && answers.includes('abort')) {
      await this.#send('abort', { by: 'ana', reason: 'in doubt' });
      return;
    }
    const run = world.runs.get(step);
    const asksBefore = message.includes('asks before it is taken back');
    const goesOn = run && !asksBefore ? !run.isDone() : schedule.whenStuck === 'mend';
    if (asksBefore && !goesOn) this.#watched.kept.add(step);
    await this.#send(goesOn ? 'retry' : 'skip', { step, by: 'ana', reason: 'looked at from outside' });
  }

  async #help(waiting: Waiting, all: Compensation[]): Promise<void> {
    const { schedule, world } = this.scene;
    const named = all
      .filter(({ status }) => status === 'failed')
      .map((each) => ({ step: each.step, expected: each.expected, text: JSON.stringify(each) }));
    const seen = await lookAtAll(world.items);
    this.#watched.leftOpen.push({ waiting, named, seen });
    this.#mendings += 1;
    if (schedule.whenStuck === 'accept' || this.#mendings > MOST_MENDINGS) {
      await this.#send('accept', { by: 'ana', reason: 'as it is' });
      return;
    }
    for (const { step, expected = '' } of named) await world.items.get(step)?.mend?.(expected);
    await this.#send('retry', { by: 'ana' });
  }

  #drawnOf(name: string): DrawnStep | undefined {
    const [stage, kind] = name.split('/');
    const drawn = this.scene.schedule.stages.find((each) => each.name === stage);
    return drawn?.steps.find((step) => step.kind === kind);
  }

  async #send(
    name: 'approve' | 'reject' | 'resume' | 'retry' | 'skip' | 'accept' | 'abort',
    input: ApprovalAnswer | OperatorAnswer,
  ): Promise<void> {
    await this.scene.lane.headgate.send(this.scene.ground.application, name, input);
    this.#watched.answered.push('step' in input && input.step ? `${name} ${input.step}` : name);
  }
}

export async function lookAtAll(items: ReadonlyMap<string, Item>): Promise<Map<string, Seen>> {
  const seen = [...items].map(async ([step, item]) => [step, await item.look()] as const);
  return new Map(await Promise.all(seen));
}
