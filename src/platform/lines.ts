/** Cuts a stream of bytes into lines and keeps its newest part. */
import { StringDecoder } from 'node:string_decoder';

export class LineReader {
  readonly #decoder = new StringDecoder('utf8');
  readonly #limitBytes: number;
  readonly #onLine: (line: string) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #pending = '';

  /** A line longer than the limit is cut there. */
  constructor(limitBytes: number, onLine: (line: string) => void) {
    this.#limitBytes = limitBytes;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    this.#keep(chunk);
    const text = this.#decoder.write(chunk);
    // To search the start of a line of megabytes again with every chunk takes seconds.
    const lines = text.includes('\n') ? (this.#pending + text).split('\n') : [this.#pending + text];
    this.#pending = (lines.pop() ?? '').slice(0, this.#limitBytes);
    for (const line of lines) this.#emit(line);
  }

  /** The newest bytes as text; an unfinished last line is given out too. */
  end(): string {
    this.#pending += this.#decoder.end();
    if (this.#pending !== '') this.#emit(this.#pending);
    this.#pending = '';
    const all = Buffer.concat(this.#chunks);
    return all.subarray(Math.max(0, all.length - this.#limitBytes)).toString('utf8');
  }

  #emit(line: string): void {
    this.#onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  #keep(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    let first = this.#chunks[0];
    while (first && this.#bytes - first.length >= this.#limitBytes) {
      this.#chunks.shift();
      this.#bytes -= first.length;
      first = this.#chunks[0];
    }
  }
}
