/** Waiting for an instance while its database is asked five times a second, so that an outage is measured, not guessed. */
import { ApplicationFailure } from '@temporalio/common';
import type { RebootInput } from '../../contract/activities.js';
import type { RdsInstanceState } from '../../tools/aws/rds.js';
import { askDatabase, type DatabaseAnswer } from './database.js';
import type { RebootDeps } from './look.js';

const ASK_EVERY_MS = 200;
const DESCRIBE_EVERY_MS = 1_000;
const LONGEST_WAIT_MS = 15 * 60_000;

/** Nothing but a person brings it back from there. */
const HOPELESS = [
  ...['stopped', 'failed', 'deleting', 'inaccessible-encryption-credentials'],
  ...['incompatible-parameters', 'incompatible-restore', 'incompatible-network'],
];

export interface Seen {
  state: RdsInstanceState;
  /** Absent without a database to ask. */
  database?: DatabaseAnswer;
  /** RDS has an event of a restart since `sinceMs`. It is asked for only where the database cannot tell. */
  restartedByEvent: boolean;
}

export interface Watch {
  isOver: (seen: Seen) => boolean;
  /** Epoch ms. */
  sinceMs: number;
  /** Of the database, whenever it is asked. */
  onAnswer: (answer: DatabaseAnswer) => void;
  /** What to throw after 15 minutes in vain, or when it will not come by itself. */
  fail: (why: string) => Error;
  signal: AbortSignal;
}

/**
 * Returns when it is over. An RDS that cannot be reached for a while is waited for as well.
 * @throws what `fail` gives; the signal's reason; what RDS refuses for good
 */
export async function watchInstance(deps: RebootDeps, input: RebootInput, watch: Watch): Promise<void> {
  const { clock } = deps;
  const { databaseUrl } = input;
  const instance = new InstanceReader(deps, input, watch.sinceMs);
  const deadlineMs = clock.now() + LONGEST_WAIT_MS;
  let database: DatabaseAnswer | undefined;
  for (;;) {
    instance.readAgain(databaseUrl === undefined || database?.kind === 'full');
    if (databaseUrl !== undefined) {
      database = await askDatabase(deps, { ...input, databaseUrl }, ['max_connections'], watch.signal);
      watch.onAnswer(database);
    }
    const seen = instance.latest();
    if (seen && HOPELESS.includes(seen.state.status)) {
      throw watch.fail(`RDS says ${seen.state.status}, which does not end by itself`);
    }
    if (seen && watch.isOver({ ...seen, database })) return;
    if (clock.now() > deadlineMs) throw watch.fail(describeVain(instance, database));
    await clock.sleep(ASK_EVERY_MS, watch.signal);
  }
}

/** Reads in the background: an RDS that is slow to answer must not stretch what is measured of the database. */
class InstanceReader {
  readonly #deps: RebootDeps;
  readonly #place: { instance: string; region?: string };
  readonly #sinceMs: number;
  #seen: Omit<Seen, 'database'> | undefined;
  #refusal: Error | undefined;
  #reading = false;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Why it could not be read the last time. */
  trouble = '';

  constructor(deps: RebootDeps, { step: { config } }: RebootInput, sinceMs: number) {
    this.#deps = deps;
    this.#sinceMs = sinceMs;
    this.#place = { instance: config.rdsInstance, region: config.region };
  }

  /** At most once a second, and one at a time. */
  readAgain(withEvents: boolean): void {
    const nowMs = this.#deps.clock.now();
    if (this.#reading || nowMs - this.#readAtMs < DESCRIBE_EVERY_MS) return;
    this.#reading = true;
    this.#readAtMs = nowMs;
    void this.#read(withEvents);
  }

  /** @throws what RDS refuses for good */
  latest(): Omit<Seen, 'database'> | undefined {
    if (this.#refusal) throw this.#refusal;
    return this.#seen;
  }

  async #read(withEvents: boolean): Promise<void> {
    const { rds } = this.#deps;
    try {
      const state = await rds.describeInstance(this.#place);
      const events = withEvents ? await rds.recentEvents(this.#place, this.#sinceMs) : [];
      const restartedByEvent = events.some(
        ({ at, message }) => Date.parse(at) > this.#sinceMs && /restarted/i.test(message),
      );
      this.#seen = { state, restartedByEvent };
      this.trouble = '';
    } catch (error) {
      if (error instanceof ApplicationFailure && error.nonRetryable) this.#refusal = error;
      this.trouble = error instanceof Error ? error.message : String(error);
    } finally {
      this.#reading = false;
    }
  }
}

function describeVain(instance: InstanceReader, database: DatabaseAnswer | undefined): string {
  const state = instance.latest()?.state;
  const parts = [
    instance.trouble ||
      (state ? `RDS says ${state.status}, ${state.parameterApplyStatus}` : 'RDS says nothing'),
    ...(database === undefined || database.kind === 'up'
      ? []
      : [`the database does not answer: ${database.message}`]),
    ...(database?.kind === 'up' ? [`the database has been running since ${database.startedAt}`] : []),
  ];
  return `after ${LONGEST_WAIT_MS / 60_000} minutes ${parts.join('; ')}`;
}
