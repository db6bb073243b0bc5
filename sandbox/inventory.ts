/** The parts that have been started: said in the sandbox's state, and stopped in reverse order. */
import type { RunningProcess } from './part.js';
import type { PartState, SandboxState } from './state.js';

interface Part {
  stop(): Promise<void>;
}

export interface InventoryDeps {
  /** Puts `state` where others read it. */
  publish: () => Promise<void>;
  log: (line: string) => void;
}

export class Inventory {
  readonly #state: SandboxState;
  readonly #deps: InventoryDeps;
  readonly #parts: { name: string; part: Part }[] = [];
  #closed = false;

  constructor(state: SandboxState, deps: InventoryDeps) {
    this.#state = state;
    this.#deps = deps;
  }

  /** @param describe what the state says of it besides its name */
  async start<P extends Part>(
    name: string,
    start: () => Promise<P>,
    describe: (part: P) => Partial<PartState> = () => ({}),
  ): Promise<P> {
    if (this.#closed) throw new Error(`${name} was not started: the sandbox is being stopped`);
    const part = await start();
    this.keep(name, part);
    this.#state.parts.push({ name, status: 'up', ...describe(part) });
    this.#deps.log(`${name} is up`);
    await this.#deps.publish();
    return part;
  }

  startProcess<P extends RunningProcess>(name: string, start: () => Promise<P>): Promise<P> {
    return this.start(name, start, ({ pid, log, readyMs }) => ({ pid, log, readyMs }));
  }

  /** Stopped with the others, and not worth a line of the state. */
  keep(name: string, part: Part): void {
    this.#parts.push({ name, part });
  }

  async update(name: string, change: Partial<PartState>): Promise<void> {
    const found = this.#state.parts.find((part) => part.name === name);
    if (found) Object.assign(found, change);
    await this.#deps.publish();
  }

  /** From the last one started to the first: applications let go of their databases before those end. */
  async stopAll(): Promise<void> {
    this.#closed = true;
    for (const { name, part } of this.#parts.splice(0).reverse()) {
      await part.stop().catch((error: unknown) => this.#deps.log(`${name}: ${String(error)}`));
    }
  }
}
