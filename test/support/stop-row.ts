/** One row of the stop matrix: a rollout in a world of its own, brought into a state and stopped there. */
import { Context } from '@temporalio/activity';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Headgate, RolloutState } from '../../src/client.js';
import type { ActivityName, HeadgateActivities } from '../../src/contract/activities.js';
import { FAILURES, lockWorkflowId, PROGRESS_QUERY, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedPlan } from '../../src/plan/resolved.js';
import { createFakeWorld, type FakeWorld } from './fake-world.js';
import { configStep, planOf } from './plans.js';
import { waitFor } from './processes.js';
import { STAGE, type StopState } from './stop-states.js';

/** How people stop a rollout. */
export const STOPS = ['command line', 'update', 'signal', 'cancel', 'terminate'] as const;
export type Stop = (typeof STOPS)[number];

/** What an activity does that is told to end: it ends at once, it gets done all the same, it fails. */
export const MANNERS = ['ends', 'finishes', 'fails'] as const;
export type Manner = (typeof MANNERS)[number];

const POLL_MS = 100;
const LONG_MS = 40_000;

export interface Servers {
  client: Client;
  headgate: Headgate;
}

/** Every row's activities by the workflow that asks for them. */
export class Rows {
  readonly #rows = new Map<string, Row>();

  add(row: Row): void {
    this.#rows.set(row.workflowId, row);
  }

  /** So that a worker can end, whatever a failed row has left. */
  async close(): Promise<void> {
    for (const row of this.#rows.values()) {
      row.release();
      await row.handle.terminate('end of the test').catch(() => undefined);
    }
  }

  get activities(): HeadgateActivities {
    const names = Object.keys(createFakeWorld().activities) as ActivityName[];
    const routed = names.map((name) => [
      name,
      (input: never) => {
        const { workflowExecution } = Context.current().info;
        const row = this.#rows.get(workflowExecution?.workflowId ?? '');
        if (!row) throw ApplicationFailure.nonRetryable(`no row ${workflowExecution?.workflowId}`);
        return row.carryOut(name, input);
      },
    ]);
    return Object.fromEntries(routed);
  }
}

export class Row {
  readonly world: FakeWorld = createFakeWorld();
  /** `began NAME` and `ended NAME`, in order. */
  readonly events: string[] = [];
  isHeld = false;
  readonly #activities: HeadgateActivities;
  #release = () => {};
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });

  constructor(
    readonly application: string,
    readonly state: StopState,
    readonly manner: Manner,
    private readonly servers: Servers,
  ) {
    state.arrange?.(this.world);
    this.#activities = { ...this.world.activities, ...state.activities?.(this.world) };
  }

  get workflowId(): string {
    return `rollout/${this.application}`;
  }

  get plan(): ResolvedPlan {
    const steps = [configStep(STAGE), ...this.state.steps];
    const plan = planOf(this.application, [{ name: STAGE, steps, ...this.state.stage }]);
    return JSON.parse(JSON.stringify(plan).replaceAll(STAGE, this.stage));
  }

  get stage(): string {
    return `of-${this.application}`;
  }

  get lockId(): string {
    return lockWorkflowId(`file//${this.stage}/.env`);
  }

  /** As the worker would: the one that is held gets done, ends or fails when it is let go. */
  async carryOut(name: ActivityName, input: never): Promise<unknown> {
    const { held } = this.state;
    this.events.push(`began ${name}`);
    try {
      const calls = this.events.filter((event) => event === `began ${name}`).length;
      if (held?.activity === name && held.call === calls) await this.#hold();
      return await (this.#activities[name] as (input: never) => Promise<unknown>)(input);
    } finally {
      this.events.push(`ended ${name}`);
    }
  }

  async #hold(): Promise<void> {
    const { cancellationSignal, heartbeat } = Context.current();
    this.isHeld = true;
    const beat = setInterval(() => heartbeat(), 200);
    await this.#released.finally(() => clearInterval(beat));
    this.isHeld = false;
    if (this.manner === 'fails') throw ApplicationFailure.nonRetryable('ended with 1', FAILURES.invalid);
    if (this.manner === 'ends' && cancellationSignal.aborted) throw cancellationSignal.reason;
  }

  release(): void {
    this.#release();
  }

  get handle(): WorkflowHandle {
    return this.servers.client.workflow.getHandle(this.workflowId);
  }

  async start(): Promise<void> {
    const { client, headgate } = this.servers;
    if (this.state.locked) {
      await client.workflow.start('lock', { workflowId: this.lockId, taskQueue: TASK_QUEUE });
    }
    await headgate.start(this.plan, 'ana');
  }

  progress(): Promise<Progress> {
    return this.handle.query<Progress>(PROGRESS_QUERY);
  }

  /** Waits for a fact in the progress. */
  async until(isTrue: (progress: Progress) => boolean, what: string): Promise<Progress> {
    let progress: Progress | undefined;
    const fact = async () => {
      progress = await this.progress();
      return isTrue(progress);
    };
    await waitFor(fact, what, LONG_MS, POLL_MS).catch((error) => {
      throw new Error(`${error}\n${JSON.stringify(progress, null, 1)}\n${this.events.join('\n')}`);
    });
    if (!progress) throw new Error('no progress');
    return progress;
  }

  /** Brings it there. */
  async enter(): Promise<Progress> {
    const { held, shows = () => true, send } = this.state;
    if (send) {
      const asks = await this.until(({ waiting }) => waiting !== undefined, 'a question');
      await send((name, input) => this.handle.executeUpdate(name, { args: [input] }), asks);
    }
    if (held) await waitFor(() => this.isHeld, `${held.activity} of ${this.state.name}`, LONG_MS);
    return this.until(shows, this.state.name);
  }

  /** Resolves with the answer: undefined, or why it does nothing. */
  async stop(stop: Stop): Promise<string | undefined> {
    const because = { by: 'cas', reason: 'wrong day' };
    try {
      if (stop === 'command line') await this.servers.headgate.send(this.application, 'abort', because);
      else if (stop === 'update') await this.handle.executeUpdate('abort', { args: [because] });
      else if (stop === 'signal') await this.handle.signal('abort', because);
      else if (stop === 'cancel') await this.handle.cancel();
      else await this.handle.terminate('by mistake');
    } catch (error) {
      const { message, cause } = error as Error;
      return `${message} ${cause instanceof Error ? cause.message : ''}`;
    }
    return undefined;
  }

  /** Why it cannot be started again. */
  async refusal(): Promise<string> {
    return this.servers.headgate.start(this.plan, 'ana').then(
      () => 'it was started',
      ({ message }: Error) => message,
    );
  }

  /** As soon as it is asked for; not where nothing is asked any more. */
  async answer(name: 'retry'): Promise<void> {
    const { waiting } = await this.until(
      ({ waiting, outcome }) => waiting?.answers.includes(name) === true || outcome !== undefined,
      `a question for ${name}`,
    );
    if (waiting) await this.handle.executeUpdate(name, { args: [{ by: 'dan' }] });
  }

  async untilClosed(): Promise<RolloutState> {
    const late = setTimeout(() => void this.handle.terminate('too late').catch(() => undefined), LONG_MS);
    await this.handle.result().catch(() => undefined);
    clearTimeout(late);
    return this.servers.headgate.describe(this.application);
  }

  /** Nothing of it is at work any more. */
  async untilQuiet(): Promise<void> {
    const count = (word: string) => this.events.filter((event) => event.startsWith(word)).length;
    await waitFor(() => count('began ') === count('ended '), 'the end of what was at work');
  }

  /** What is not as it was before. */
  get left(): string[] {
    const { files, secrets, states, live, candidates, outcomes } = this.world;
    const different = (what: string, values: Map<string, string>, isBefore: (value: string) => boolean) =>
      [...values].flatMap(([name, value]) => (isBefore(value) ? [] : [`${what} ${name}: ${value}`]));
    const serving = new Map([...live].map(([stage, { id }]) => [stage, id]));
    return [
      ...different('file', files, (value) => value === 'base'),
      ...different('secret', secrets, (value) => value.endsWith('-base')),
      ...different('state', states, (value) => value === 'base'),
      ...different('live', serving, (value) => value.endsWith('-old')),
      ...different('beside', new Map([...candidates].map(([stage, { id }]) => [stage, id])), () => false),
      ...(outcomes.get(`${this.stage}/run`) === 'pass' ? ['run: done'] : []),
    ];
  }
}
