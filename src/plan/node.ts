/** A loose view of the plan for the lint: it walks what is there, and passes over what already has a fault. */
import type { FaultList } from './fault-list.js';
import type { Path } from './faults.js';
import type { Json } from './resolved.js';

export class PlanNode {
  readonly value: Json;
  readonly path: Path;
  readonly #faults: FaultList;

  constructor(value: Json, path: Path, faults: FaultList) {
    this.value = value;
    this.path = path;
    this.#faults = faults;
  }

  /** `undefined` when it is not there or has a fault of its own. */
  get(key: string | number): PlanNode | undefined {
    const found = childOf(this.value, key);
    if (found === undefined) return undefined;
    const path = [...this.path, key];
    return this.#faults.covers(path) ? undefined : new PlanNode(found, path, this.#faults);
  }

  at(...keys: (string | number)[]): PlanNode | undefined {
    const [first, ...rest] = keys;
    return first === undefined ? this : this.get(first)?.at(...rest);
  }

  has(key: string): boolean {
    return isMap(this.value) && Object.hasOwn(this.value, key);
  }

  keys(): string[] {
    return isMap(this.value) ? Object.keys(this.value) : [];
  }

  items(): PlanNode[] {
    if (!Array.isArray(this.value)) return [];
    return this.value.flatMap((_, index) => this.get(index) ?? []);
  }

  /** The entries of a list; what is no list is its own only entry. */
  itemsOrSelf(): PlanNode[] {
    return Array.isArray(this.value) ? this.items() : [this];
  }

  entries(): { key: string; node: PlanNode }[] {
    return this.keys().flatMap((key) => {
      const node = this.get(key);
      return node ? [{ key, node }] : [];
    });
  }

  /** `undefined` when it is not text. */
  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined;
  }

  /** Every text below, with its place. */
  texts(): { text: string; node: PlanNode }[] {
    if (typeof this.value === 'string') return [{ text: this.value, node: this }];
    if (Array.isArray(this.value)) return this.items().flatMap((item) => item.texts());
    return this.entries().flatMap(({ node }) => node.texts());
  }
}

/** `undefined` when it is not there; what every object inherits is not there. */
export function childOf(value: Json | undefined, key: string | number): Json | undefined {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
  return Array.isArray(value) ? value[Number(key)] : value[key];
}

export function isMap(value: Json | undefined): value is { [key: string]: Json } {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
