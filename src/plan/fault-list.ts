/** Collects faults and finds their places. A place that already has a fault of an earlier pass takes no other. */
import { type FaultCode, type Path, type PlanFault, showPath, writeOut } from './faults.js';

export interface Place {
  line: number;
  column: number;
}

/** Where in the file something is. */
export interface Locator {
  /** The value; what has no value of its own is at its key. */
  value(path: Path): Place;
  /** The key, or the list entry, that holds the value. */
  key(path: Path): Place;
}

export interface FaultInput {
  code: FaultCode;
  path: Path;
  message: string;
  expected: string;
  found?: string;
  fix: string;
  /** Points to the key instead of the value. */
  atKey?: boolean;
  /** Points to another place than `path` does. */
  place?: Place;
  /** `false`: what else is wrong at `path` is still to be said. */
  masks?: boolean;
}

export class FaultList {
  readonly faults: PlanFault[] = [];
  readonly warnings: PlanFault[] = [];
  readonly #file: string;
  readonly #faulted = new Set<string>();
  #locator: Locator;

  constructor(file: string) {
    this.#file = file;
    const start = { line: 1, column: 1 };
    this.#locator = { value: () => start, key: () => start };
  }

  /** Faults that are added from here on are found by `locator`. */
  locateBy(locator: Locator): void {
    this.#locator = locator;
  }

  add(input: FaultInput): void {
    if (input.masks ?? true) this.mask(input.path);
    this.faults.push(this.#toFault(input));
  }

  /** What is wrong at this place has its cause at another one, of which it was said. */
  mask(path: Path): void {
    this.#faulted.add(showPath(path));
  }

  warn(input: FaultInput): void {
    this.warnings.push(this.#toFault(input));
  }

  /** Something is already said of exactly this place. */
  covers(path: Path): boolean {
    return this.#faulted.has(showPath(path));
  }

  /** Something is already said of this place, or of one that it is a part of. */
  coversAround(path: Path): boolean {
    return path.some((_, index) => this.covers(path.slice(0, index + 1)));
  }

  #toFault({ code, path, atKey, place, message, expected, found, fix }: FaultInput): PlanFault {
    const { line, column } = place ?? (atKey ? this.#locator.key(path) : this.#locator.value(path));
    return {
      code,
      message: writeOut(message),
      expected: writeOut(expected),
      ...(found === undefined ? {} : { found: writeOut(found) }),
      fix: writeOut(fix),
      file: this.#file,
      line,
      column,
      path: writeOut(showPath(path)),
    };
  }
}

/** As they stand in the file. */
export function sortByPlace(faults: PlanFault[]): PlanFault[] {
  return [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
}
