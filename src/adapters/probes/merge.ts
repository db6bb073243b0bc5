/** Several streams as one. */

interface Offer<T> {
  value: T;
  taken: () => void;
}

/**
 * Gives what the streams give, in the order in which it comes; more streams may be added on the way. Each stream is
 * asked for its next only when its last was taken, so that nothing piles up. Ends when all have ended, or with the
 * first that fails: the others then end by the signal that they were opened with.
 */
export class Merge<T> implements AsyncIterable<T> {
  readonly #offers: Offer<T>[] = [];
  #running = 0;
  #failure: { error: unknown } | undefined;
  #wake = () => {};

  add(stream: AsyncIterable<T>): void {
    this.#running += 1;
    void this.#pump(stream);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      for (let offer = this.#offers.shift(); offer; offer = this.#offers.shift()) {
        yield offer.value;
        offer.taken();
      }
      if (this.#failure) throw this.#failure.error;
      if (this.#running === 0) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #pump(stream: AsyncIterable<T>): Promise<void> {
    try {
      for await (const value of stream) {
        await new Promise<void>((taken) => {
          this.#offers.push({ value, taken });
          this.#wake();
        });
      }
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#running -= 1;
      this.#wake();
    }
  }
}
