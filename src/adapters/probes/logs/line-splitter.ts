/** Cuts bytes into lines. Pure. */

/** The rest of a longer line is skipped. */
const LONGEST_LINE_BYTES = 64 * 1024;
const NEWLINE = 10;

export class LineSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #wholeBytes = 0;
  #unfinishedBytes = 0;

  /** Bytes of all lines so far that have an end. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  /** @returns the lines that have come to their end */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, start)) {
      lines.push(textOf(this.#pending, chunk.subarray(start, at)));
      this.#pending = Buffer.alloc(0);
      this.#wholeBytes += this.#unfinishedBytes + at + 1 - start;
      this.#unfinishedBytes = 0;
      start = at + 1;
    }
    const tail = chunk.subarray(start);
    this.#unfinishedBytes += tail.length;
    if (tail.length > 0 && this.#pending.length < LONGEST_LINE_BYTES) {
      this.#pending = Buffer.concat([this.#pending, tail.subarray(0, LONGEST_LINE_BYTES)]);
    }
    return lines;
  }

  /** What has come of a line without its end. */
  unfinished(): string | undefined {
    return this.#unfinishedBytes === 0 ? undefined : textOf(this.#pending, Buffer.alloc(0));
  }
}

function textOf(pending: Buffer, tail: Buffer): string {
  const bytes = pending.length === 0 ? tail : Buffer.concat([pending, tail]);
  const text = bytes.toString('utf8', 0, Math.min(bytes.length, LONGEST_LINE_BYTES));
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
