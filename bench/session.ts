/** One run of the benchmark: how thorough it is, and what has to be ended when it ends, however it ends. */

export class Session {
  readonly #ends = new Set<() => Promise<void>>();
  #ended = false;

  constructor(
    readonly quick: boolean,
    /** One line about what is going on; never part of the result. */
    readonly log: (line: string) => void,
  ) {}

  /** How often something is measured. */
  runs(thorough: number, quick: number): number {
    return this.quick ? quick : thorough;
  }

  /**
   * To be called before what it ends is started: an interruption may come in between.
   * @returns ends it now
   * @throws Error when the run has been interrupted, so that nothing more is started
   */
  own(end: () => Promise<void>): () => Promise<void> {
    if (this.#ended) throw new Error('the benchmark was interrupted');
    const once = async () => {
      if (this.#ends.delete(once)) await end();
    };
    this.#ends.add(once);
    return once;
  }

  /** The newest first. What cannot be ended does not keep the rest. */
  async endAll(): Promise<void> {
    this.#ended = true;
    for (const end of [...this.#ends].reverse()) {
      await end().catch((error: unknown) => this.log(`could not be stopped: ${String(error)}`));
    }
  }
}
