/** A rollout whose way back cannot be gone, from outside: what people are told, and how they end it. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { RolloutState } from '../../src/client.js';
import type { Compensation } from '../../src/contract/progress.js';
import type { Json } from '../../src/plan/resolved.js';
import { CrashWorker, connect, environmentOf, summaryOf, writePlan } from './crash-cell.js';
import type { Parts, World } from './crash-kind.js';
import { openPlace, type Place } from './crash-place.js';
import { serve } from './http-server.js';
import { waitFor } from './processes.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
/** An undo that may be repeated is repeated for some three minutes. */
const STUCK_MS = 260_000;
const POLL_MS = 500;

export interface Scene<W> {
  world: W;
  place: Place;
  describe: () => Promise<RolloutState>;
}

/** What goes wrong once the step has been carried out. `Seen` is what somebody from outside sees of it. */
export interface Wound<W extends World = World> {
  name: string;
  missing?: string;
  open(place: Place, parts: Parts): Promise<W>;
  /** Before the way back begins. */
  hurt(scene: Scene<W>): Promise<void>;
  /** Resolves in the middle of the undo that fails. */
  inTheMiddle?(scene: Scene<W>): Promise<void>;
  /** What is said of it. */
  left: { [what in 'item' | 'found' | 'expected' | 'command']: RegExp };
  /** What no command mends: a service that is away comes back. */
  lift?(scene: Scene<W>): Promise<void>;
}

interface Notice {
  moment: string;
  title: string;
  lines: string[];
  commands: string[];
}

export async function endByRetry(wound: Wound, parts: Parts, name: string): Promise<void> {
  const rollout = await Stuck.open(wound, parts, name);
  try {
    const { command = '' } = await rollout.untilStuck();
    await rollout.expectTold();
    await rollout.replaceWorker();
    await wound.lift?.(rollout.scene);
    const typed = await rollout.type('sh', '-c', command);
    expect(typed.code, `${command}\n${typed.output}`).toBe(0);
    await rollout.changeNeighbour();
    expect(await rollout.headgate('retry', name)).toMatchObject({ code: 0 });
    expect(await rollout.headgate('watch', name)).toMatchObject({ code: 1 });
    expect(await rollout.outcome()).toBe('rolledBack');
    rollout.world.expectRestored?.(rollout.before, await rollout.world.read());
    await rollout.expectNeighbourKept();
  } finally {
    await rollout.close();
  }
}

export async function endByAccept(wound: Wound, parts: Parts, name: string): Promise<unknown> {
  const rollout = await Stuck.open(wound, parts, name);
  try {
    const { item = '' } = await rollout.untilStuck();
    const seen = await rollout.world.read();
    expect((await rollout.headgate('accept', name, '--by', 'cas')).code).toBe(0);
    expect(await rollout.headgate('watch', name)).toMatchObject({ code: 3 });
    const { code, output } = await rollout.headgate('report', name);
    expect([code, output]).toEqual([0, expect.stringContaining(item)]);
    expect(output).toMatch(/rollbackIncomplete.*cas/s);
    // What is left stays as it is, and the locks are free.
    expect(await rollout.world.read()).toEqual(seen);
    expect((await rollout.headgate('start', rollout.planFile)).code).toBe(0);
    return seen;
  } finally {
    await rollout.close();
  }
}

const NEIGHBOUR = 'SETTING=before\n';

class Stuck {
  readonly scene: Scene<World>;
  readonly #notices: Notice[];
  readonly #workers: CrashWorker[] = [];
  readonly #closing: (() => Promise<unknown>)[];

  private constructor(
    readonly wound: Wound,
    readonly place: Place,
    readonly world: World,
    readonly before: unknown,
    private readonly parts: Parts,
    describe: () => Promise<RolloutState>,
    notices: Notice[],
    closing: (() => Promise<unknown>)[],
  ) {
    this.scene = { world, place, describe };
    this.#notices = notices;
    this.#closing = closing;
  }

  /** Started, with a step beside the one in question that can be taken back. */
  static async open(wound: Wound, parts: Parts, name: string): Promise<Stuck> {
    const place = await openPlace(name, 503);
    const notices: Notice[] = [];
    const told = await serve((_request, response, body) => {
      notices.push(JSON.parse(body));
      response.end();
    });
    const world = await wound.open(place, parts);
    const neighbour = join(place.folder, 'neighbour.env');
    await writeFile(neighbour, NEIGHBOUR);
    const step: Json = { id: 'neighbour', config: { local: { file: neighbour }, set: { SETTING: 'after' } } };
    const steps = [step, ...world.steps];
    const notify = [{ webhook: { url: told.url }, when: ['rollbackIncomplete'] }];
    const before = await world.read();
    const headgate = await connect(parts.address, name);
    const closing = [
      () => headgate.close(),
      async () => world.close?.(),
      () => told.close(),
      () => place.close(),
    ];
    const describe = () => headgate.describe(name);
    const rollout = new Stuck(wound, place, world, before, parts, describe, notices, closing);
    await rollout.#startWorker();
    let isHurt: Promise<void> | undefined;
    place.onRequest = async (path) => {
      if (path !== '/gate') return;
      isHurt ??= wound.hurt(rollout.scene);
      await isHurt;
    };
    await headgate.start(await writePlan(place, { ...world, steps, notify }), 'ana');
    return rollout;
  }

  get planFile(): string {
    return join(this.place.folder, 'plan', 'rollout.yaml');
  }

  async #startWorker(): Promise<void> {
    this.#workers.push(await CrashWorker.start(this.place, this.parts, this.world));
  }

  async replaceWorker(): Promise<void> {
    await this.#workers.at(-1)?.kill();
    await this.#startWorker();
  }

  async untilStuck(): Promise<Compensation> {
    if (this.wound.inTheMiddle) {
      await this.wound.inTheMiddle(this.scene);
      await this.replaceWorker();
    }
    let state: RolloutState | undefined;
    const isStuck = async () => {
      state = await this.scene.describe();
      if (state.temporalStatus !== 'RUNNING') throw new Error('it has ended');
      return state.progress?.waiting?.for === 'undo';
    };
    await waitFor(isStuck, `${this.wound.name}: a question`, STUCK_MS, POLL_MS).catch((error) => {
      throw new Error(`${error}\n${JSON.stringify(summaryOf(state), null, 1)}`);
    });
    const failed = (state?.progress?.compensations ?? []).filter(({ status }) => status === 'failed');
    const { item, found, expected, command } = this.wound.left;
    expect(failed).toEqual([
      expect.objectContaining({
        item: expect.stringMatching(item),
        found: expect.stringMatching(found),
        expected: expect.stringMatching(expected),
        command: expect.stringMatching(command),
      }),
    ]);
    expect(state?.progress?.phase).toBe('stuck');
    // One that fails does not stop the others.
    expect(await this.#neighbour()).toBe(NEIGHBOUR);
    return failed[0] as Compensation;
  }

  /** By `status`, and once by whoever pages. */
  async expectTold(): Promise<void> {
    const [left] = ((await this.scene.describe()).progress?.compensations ?? []).filter(
      ({ status }) => status === 'failed',
    );
    const { code, output } = await this.headgate('status', this.place.name);
    expect(code).toBe(0);
    const says = `${left?.item}: found ${left?.found}, expected ${left?.expected}`;
    expect(output).toContain(says);
    expect(output).toContain(`mend: ${left?.command}`);
    for (const answer of ['retry', 'accept'])
      expect(output).toContain(`headgate ${answer} ${this.place.name}`);
    expect(await this.headgate('abort', this.place.name)).toEqual({
      code: 5,
      output: expect.stringContaining('on its way back already (gate)'),
    });
    await waitFor(() => this.#notices.length > 0, 'the page');
    expect(this.#notices).toEqual([
      expect.objectContaining({ moment: 'rollbackIncomplete', lines: [says, `mend: ${left?.command}`] }),
    ]);
  }

  /** A person's shell in the plan's folder: what is asked there is answered with yes. */
  type(program: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
    const env = { ...process.env, ...environmentOf(this.place, this.parts), ...this.world.env };
    const child = spawn(program, args, { cwd: join(this.place.folder, 'plan'), env });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.stdin.end('yes\n');
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
  }

  headgate(...args: string[]): Promise<{ code: number | null; output: string }> {
    return this.type(process.execPath, MAIN, ...args);
  }

  async outcome(): Promise<string | undefined> {
    return (await this.scene.describe()).progress?.outcome;
  }

  #neighbour(): Promise<string> {
    return readFile(join(this.place.folder, 'neighbour.env'), 'utf8');
  }

  /** After it was put back: a retry has no business with it. */
  async changeNeighbour(): Promise<void> {
    await writeFile(join(this.place.folder, 'neighbour.env'), 'SETTING=of somebody else\n');
  }

  async expectNeighbourKept(): Promise<void> {
    expect(await this.#neighbour()).toBe('SETTING=of somebody else\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill()));
    for (const close of this.#closing) await close();
  }
}
