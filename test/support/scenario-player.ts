/** Plays one scenario: the world in memory, what goes wrong in it, and the person who answers. */
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityName } from '../../src/contract/activities.js';
import { FAILURES } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import { createFakeWorld, type FakeWorld } from './fake-world.js';
import { failBy, isFromOutside, type Scenario, VERBS } from './rollout-scenarios.js';

export interface Call {
  name: ActivityName;
  step: string;
  input: unknown;
}

const UNDOING = new Set(Object.values(VERBS).flatMap(({ undo }) => undo));

export class Player {
  readonly world: FakeWorld = createFakeWorld();
  /** Steps of which something was made to fail on the way back. */
  readonly faulty = new Set<string>();
  readonly #scenario: Scenario;
  readonly #faultsLeft: Map<string, number>;
  #retriesLeft: number;
  #isOver: boolean;
  /** From the first undo on. */
  #isBack = false;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#faultsLeft = new Map(Object.entries(scenario.undoFaults));
    this.#retriesLeft = scenario.retries;
    this.#isOver = scenario.ending === undefined;
  }

  /** @throws what the last attempt of the activity ends with */
  async carryOut(call: Call): Promise<unknown> {
    this.#isBack ||= UNDOING.has(call.name);
    const { ending, opaque } = this.#scenario;
    const key = `${call.name} ${call.step}`;
    const left = this.#isBack ? (this.#faultsLeft.get(key) ?? 0) : 0;
    if (left > 0) {
      this.#faultsLeft.set(key, left - 1);
      this.faulty.add(call.step);
      throw ApplicationFailure.nonRetryable(`${key} fails`, FAILURES.invalid);
    }
    const isHit = ending !== undefined && !isFromOutside(ending.how) && this.#isHit(call);
    if (isHit) this.#isOver = true;
    if (isHit && !isFromOutside(ending.how) && ending.how !== 'gate') throw failBy(ending.how);
    const activity = this.world.activities[call.name] as (input: unknown) => Promise<unknown>;
    const result = await activity(call.input);
    if (isHit) return failGate(result);
    return call.name === 'lookRelease' && opaque.includes(call.step) ? asOpaque(result) : result;
  }

  /** What comes from outside at this activity; once. */
  interrupt(call: Call): { kind: 'abort' | 'cancel' | 'deadline'; when: 'before' | 'with' } | undefined {
    const { ending } = this.#scenario;
    if (!ending || !isFromOutside(ending.how) || !this.#isHit(call)) return undefined;
    this.#isOver = true;
    return { kind: ending.how, when: ending.when };
  }

  #isHit({ name, step }: Call): boolean {
    const { ending } = this.#scenario;
    return !this.#isOver && !this.#isBack && name === ending?.activity && step === ending.step;
  }

  /** Answers what is waited for; undefined where nobody is asked. */
  answer({
    waiting,
  }: Progress): { name: 'approve' | 'skip' | 'retry' | 'accept'; input: object } | undefined {
    if (!waiting) return undefined;
    const { for: what, step, gate, digest } = waiting;
    if (what === 'approval') return { name: 'approve', input: { gate, digest, by: 'ben' } };
    if (what === 'decision') {
      const name = this.#scenario.keepWhenAsked ? 'skip' : 'retry';
      return { name, input: { step, by: 'cas', reason: 'seen' } };
    }
    if (what !== 'undo') return undefined;
    this.#retriesLeft -= 1;
    return { name: this.#retriesLeft < 0 ? 'accept' : 'retry', input: { by: 'cas' } };
  }
}

/** A look and an effect have no verdict to fail: they throw what a failed gate throws. */
function failGate(result: unknown): unknown {
  const failed = {
    probe: 'p',
    outcome: 'fail',
    at: new Date(0).toISOString(),
    message: 'no',
    values: {},
    durationMs: 1,
  };
  if (typeof result === 'object' && result !== null && 'tallies' in result) {
    return { ...result, breach: { probe: 'p', limit: 'failureLimit 0', measurement: failed } };
  }
  if (typeof result === 'object' && result !== null && 'outcome' in result) {
    return { ...result, outcome: 'fail', ...('measurements' in result ? { measurements: [failed] } : {}) };
  }
  throw ApplicationFailure.nonRetryable('the gate did not hold', FAILURES.gate);
}

function asOpaque(look: unknown): unknown {
  const known = look as { found: object };
  return { ...known, found: { ...known.found, staged: false } };
}
