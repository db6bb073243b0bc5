/** One run of the benchmark: how thorough it is, and what has to be ended when it ends, however it ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Session {
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly #interruption = new AbortController();
  #ending = Promise.resolve();

  private constructor(
    /** A run that shows whether the benchmark works, not how fast the product is. */
    readonly quick: boolean,
    /** For what is left of it only as long as it lasts. */
    readonly folder: string,
    /** One line about what is going on; never part of the result. */
    readonly log: (line: string) => void,
  ) {}

  static async create(quick: boolean, log: (line: string) => void): Promise<Session> {
    return new Session(quick, await mkdtemp(join(tmpdir(), 'headgate-bench-')), log);
  }

  get interrupted(): AbortSignal {
    return this.#interruption.signal;
  }

  /** How often something is measured. */
  runs(thorough: number, quick: number): number {
    return this.quick ? quick : thorough;
  }

  /**
   * To be called before what `end` ends is started: an interruption may come in between.
   * @throws the reason of an interruption, so that nothing more is started
   */
  own(end: () => Promise<unknown>): void {
    this.interrupted.throwIfAborted();
    this.#ends.push(end);
  }

  /** Ends what a measure has started, the newest first. What cannot be ended does not keep the rest. */
  endOwned(): Promise<void> {
    // In turn: whoever calls it while somebody else's call is at work waits for that one too.
    this.#ending = this.#ending.then(async () => {
      for (let end = this.#ends.pop(); end; end = this.#ends.pop()) {
        await end().catch((error: unknown) => this.log(`could not be stopped: ${String(error)}`));
      }
    });
    return this.#ending;
  }

  async end(): Promise<void> {
    this.#interruption.abort(new Error('the benchmark has ended'));
    await this.endOwned();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
