/** Faults on their way: each waits for its moment, strikes once, and is remembered only when it has struck. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule, HttpFault } from '../test/support/fault-proxy.js';
import type { Scene } from './scene.js';
import type { Fault, FaultName } from './schedule.js';
import { STRIKES } from './strikes.js';

/** Whoever has come to the fact waits so long for what is done there: locks may be held meanwhile. */
const LONGEST_HOLD_MS = 2_500;

const MOST_TRACED = 300;

/** A fault that has struck. */
export interface Struck {
  fault: Fault;
  afterMs: number;
  /** It could not be done, and why: then it did not disturb anything. */
  failed?: string;
}

const HTTP_FAULTS: Partial<Record<FaultName, (fault: Fault) => HttpFault>> = {
  'AWS answers 500': () => 'status 500',
  'AWS throttles': () => 'throttle',
  'AWS cut before the effect': () => 'cut before forwarding',
  'AWS cut after the effect': () => 'cut after forwarding',
  'AWS answers late': ({ forMs }) => ({ slowMs: forMs }),
  'AWS answers nonsense': () => 'nonsense',
  'AWS answer truncated': () => 'truncated',
};

export class Injector {
  readonly struck: Struck[] = [];
  /** Facts as they came, the newest. */
  readonly trace: string[] = [];
  readonly #seen = new Map<Fault, number>();
  readonly #underway = new Set<Promise<unknown>>();
  readonly #over = new AbortController();
  readonly #startedAt = performance.now();

  constructor(private readonly scene: Scene) {}

  /** From now on moments count. */
  begin(): void {
    const { schedule, lane } = this.scene;
    lane.aws.rules.push({
      match: ({ target }) => {
        this.note(`asked AWS ${target}`);
        return false;
      },
    });
    lane.control.onFact = (fact, worker) => this.reach(fact, worker);
    for (const fault of schedule.faults) {
      const { at } = fault;
      if ('afterMs' in at) void this.#later(at.afterMs, () => this.#strike(fault));
      else if (at.fact.startsWith('aws ')) this.#atCall(fault, at.fact.slice('aws '.length), at.nth);
    }
  }

  /** A fact has come. Resolves when what was to happen at it has happened. */
  async reach(fact: string, worker?: string): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.note(fact);
    for (const fault of this.scene.schedule.faults) {
      const { at } = fault;
      if (!('fact' in at) || at.fact !== fact) continue;
      const seen = (this.#seen.get(fault) ?? 0) + 1;
      this.#seen.set(fault, seen);
      if (seen === at.nth) await this.#strike(fault, worker);
    }
  }

  note(fact: string): void {
    this.trace.push(`${Math.round(performance.now() - this.#startedAt)} ms ${fact}`);
    if (this.trace.length > MOST_TRACED) this.trace.shift();
  }

  /** Nothing strikes any more, and what was begun has ended. */
  async end(): Promise<void> {
    this.#over.abort();
    while (this.#underway.size > 0) await Promise.allSettled(this.#underway);
  }

  async #strike(fault: Fault, worker?: string): Promise<void> {
    const http = HTTP_FAULTS[fault.name];
    if (http) {
      this.#refuseCalls(fault, http(fault), () => true);
      return;
    }
    const strike = STRIKES[fault.name];
    if (!strike) throw new TypeError(`nobody knows how ${fault.name} is done`);
    const struck = this.#remember(fault);
    const context = { scene: this.scene, fault, worker, later: this.#laterOrAtTheEnd.bind(this) };
    const work = strike({
      ...context,
      when: (what) => this.#struckBy(struck, what),
      carryOn: (promise) => this.#track(promise),
    }).catch((error) => {
      struck.failed = error instanceof Error ? error.message : String(error);
    });
    this.#track(work);
    void work.then(() => this.note(`done: ${fault.name}`));
    await Promise.race([work, sleep(LONGEST_HOLD_MS)]);
  }

  #remember(fault: Fault): Struck {
    this.note(`STRUCK: ${fault.name}`);
    const struck = { fault, afterMs: Math.round(performance.now() - this.#startedAt) };
    this.struck.push(struck);
    return struck;
  }

  /** What only lies in wait has struck when somebody meets it. */
  #struckBy(struck: Struck, what: 'health' | 'program'): void {
    const { control } = this.scene.lane;
    this.struck.splice(this.struck.indexOf(struck), 1);
    control.onStrike = (met) => {
      if (met === what && !this.struck.includes(struck)) this.struck.push(struck);
    };
  }

  #atCall(fault: Fault, target: string, nth: number): void {
    const http = HTTP_FAULTS[fault.name];
    let seen = 0;
    const match: FaultRule['match'] = (call) => {
      if (call.target !== target) return false;
      seen += 1;
      return seen >= nth;
    };
    if (http) this.#refuseCalls(fault, http(fault), match);
    else this.#addRule({ match, times: 1, onMatch: () => this.#strike(fault) });
  }

  #refuseCalls(fault: Fault, http: HttpFault, match: FaultRule['match']): void {
    let first = true;
    const onMatch = () => {
      if (first) this.#remember(fault);
      first = false;
    };
    this.#addRule({ match, times: fault.times, fault: http, onMatch });
  }

  #addRule(rule: FaultRule): void {
    const { lane, world } = this.scene;
    const isReboot = [...world.items.keys()].some((step) => step.endsWith('/reboot'));
    lane.aws.rules.push(rule);
    if (isReboot) lane.rdsProxy.rules.push(rule);
  }

  async #later(ms: number, work: () => Promise<unknown>): Promise<void> {
    const isTime = await sleep(ms, true, { signal: this.#over.signal }).catch(() => false);
    if (isTime) await work();
  }

  /** What is only for a while is over then, or with the run. */
  #laterOrAtTheEnd(ms: number, work: () => unknown): void {
    const waiting = sleep(ms, undefined, { signal: this.#over.signal }).catch(() => undefined);
    this.#track(waiting.then(work));
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.catch(() => undefined).finally(() => this.#underway.delete(tracked));
    this.#underway.add(tracked);
  }
}
