/** stdout is for results: text, or with `--json` one object a line. Everything else goes to stderr. */

export type LineType = 'rollout' | 'step' | 'measurement' | 'approval' | 'compensation' | 'outcome' | 'error';

/** A pair of its own in `split`: every second part is a colour. */
const COLOUR = new RegExp(`(${'\u001b'}\\[\\d{1,2}m)`);
const ACTING = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `\u001b` as those six characters. */
function writeOut(text: string): string {
  return text.replace(ACTING, (found) => `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}

/** One line of `--json`, less what every line has. */
export interface Line {
  type: LineType;
  application?: string;
  runId?: string;
  stage?: string;
  /** Its id. */
  step?: string;
  status?: string;
  attempt?: number;
  data?: unknown;
}

export interface OutputOptions {
  json: boolean;
  /** A terminal that may be drawn on. */
  terminal: boolean;
  color: boolean;
  columns: number;
  rows: number;
  stdout: (text: string) => void;
  stderr: (text: string) => void;
}

export class Output {
  readonly json: boolean;
  readonly terminal: boolean;
  readonly color: boolean;
  readonly columns: number;
  readonly #rows: number;
  readonly #stdout: (text: string) => void;
  readonly #stderr: (text: string) => void;
  #drawn = 0;
  #ended = false;

  constructor(options: OutputOptions) {
    this.json = options.json;
    this.terminal = options.terminal && !options.json;
    this.color = options.color && !options.json;
    this.columns = options.columns;
    this.#rows = options.rows;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
  }

  /** A result for people; nothing with `--json`. */
  print(text: string): void {
    if (!this.json) this.#stdout(`${this.#show(text)}\n`);
  }

  /** What helps a person and is no result. */
  note(text: string): void {
    this.#stderr(`${this.#show(text)}\n`);
  }

  /** Only with `--json`. */
  line(line: Line): void {
    if (!this.json || this.#ended) return;
    this.#ended = line.type === 'outcome';
    const { type, application, runId, stage, step, status, attempt, data = {} } = line;
    const at = new Date().toISOString();
    const whole = { v: 1, type, at, application, runId, stage, step, status, attempt, data };
    this.#stdout(`${JSON.stringify(whole)}\n`);
  }

  /** The last line, unless a command has written a better one. */
  conclude(exitCode: number): void {
    this.line({ type: 'outcome', status: exitCode === 0 ? 'ok' : 'failed', data: { exitCode } });
  }

  /** Draws over what was drawn before. Only on a terminal; where it is too low, the end is what is seen. */
  draw(all: string[]): void {
    const lines = all.slice(-(this.#rows - 1));
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A\x1b[0J` : '';
    this.#stdout(`${up}${this.#show(lines.join('\n'))}\n`);
    this.#drawn = lines.length;
  }

  /** Plans, people and foreign systems speak here, too: of what a terminal acts on only our own colours are left. */
  #show(text: string): string {
    const parts = text.split(COLOUR);
    return parts.map((part, index) => (this.color && index % 2 === 1 ? part : writeOut(part))).join('');
  }

  /** What is drawn now stays. */
  keepDrawn(): void {
    this.#drawn = 0;
  }
}
