/** What a program prints, as far as it is kept: whole lines, so that no secret is cut where it begins. Pure. */

const LARGEST_BYTES = 1024 * 1024;

export class OutputTail {
  readonly #limitBytes: number;
  readonly #cutLine: string;
  #lines: string[] = [];
  #bytes = 0;
  readonly #last = { stdout: '', stderr: '' };
  #isCut = false;

  /** @param cutLine the first line when older ones are left out */
  constructor(limitBytes = LARGEST_BYTES, cutLine = '… older lines are left out') {
    this.#limitBytes = limitBytes;
    this.#cutLine = cutLine;
  }

  push(line: string, stream: 'stdout' | 'stderr'): void {
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line) + 1;
    if (line.trim() !== '') this.#last[stream] = line.trim();
    // Twice the limit is the worst; to shift line by line would cost a whole copy each.
    if (this.#bytes > 2 * this.#limitBytes) this.#trim();
  }

  /** The newest line that says anything, of stderr only when stdout says nothing; empty when there is none. */
  last(): string {
    return this.#last.stdout || this.#last.stderr;
  }

  /** The newest lines that fit, with a first one that says so when older ones are left out. */
  text(): string {
    this.#trim();
    const head = this.#isCut ? [this.#cutLine] : [];
    return [...head, ...this.#lines].map((line) => `${line}\n`).join('');
  }

  #trim(): void {
    let first = 0;
    while (this.#bytes > this.#limitBytes && first < this.#lines.length - 1) {
      this.#bytes -= Buffer.byteLength(this.#lines[first] ?? '') + 1;
      first += 1;
    }
    if (first === 0) return;
    this.#lines = this.#lines.slice(first);
    this.#isCut = true;
  }
}
