/** `watch`: the live checklist on a terminal, a line per change elsewhere, until the rollout has closed. */
import type { Headgate, RolloutState } from '../../client.js';
import type { Progress } from '../../contract/progress.js';
import { type Context, EXIT, exitCodeOf } from '../context.js';
import { withClient } from '../loading.js';
import { renderChecklist } from '../render/checklist.js';
import { diffProgress, outcomeLine } from '../render/events.js';
import { describeLive } from '../render/live.js';
import { paintIf } from '../render/paint.js';
import { renderLine } from '../render/words.js';

const LIVE_EVERY_MS = 5_000;

export function watch(context: Context, rollout: string): Promise<number> {
  return withClient((headgate) => watchToTheEnd(context, headgate, rollout));
}

/** As `watchRollout`; an interrupt is answered with how to come back. */
export async function watchToTheEnd(context: Context, headgate: Headgate, rollout: string): Promise<number> {
  const exitCode = await watchRollout(context, headgate, rollout);
  if (exitCode === EXIT.interrupted) {
    context.output.note(`The rollout goes on. Watch it again: headgate watch ${rollout}`);
  }
  return exitCode;
}

export interface WatchOptions {
  /** Called with every state, before it is shown. */
  onState?: (state: RolloutState) => Promise<void> | void;
  signal?: AbortSignal;
}

/** @returns the exit code of the outcome, or 130 when interrupted: the rollout goes on */
export async function watchRollout(
  context: Context,
  headgate: Headgate,
  rollout: string,
  { onState, signal = context.interrupted }: WatchOptions = {},
): Promise<number> {
  const viewer = new Viewer(context);
  for await (const state of headgate.watch(rollout, signal)) {
    viewer.show(state);
    await onState?.(state);
    if (state.temporalStatus !== 'RUNNING') return viewer.end(state);
  }
  return EXIT.interrupted;
}

class Viewer {
  #before: Progress | undefined;
  #saidLive = '';
  #saidLiveAtMs = 0;
  #stale = false;
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  show(state: RolloutState): void {
    const { output } = this.#context;
    if (state.progress) {
      const at = new Date().toISOString();
      for (const line of diffProgress(this.#before, state.progress)) {
        output.line(line);
        const words = output.terminal ? undefined : renderLine(line, at);
        if (words !== undefined) output.print(words);
      }
      this.#before = state.progress;
    }
    if (output.terminal) this.#draw(state);
    else this.#sayLive(state);
  }

  end(state: RolloutState): number {
    const { output } = this.#context;
    const exitCode = exitCodeOf(state.temporalStatus, state.progress);
    output.keepDrawn();
    if (state.progress?.outcome === undefined) {
      output.note(
        `The workflow ended from outside (${state.temporalStatus.toLowerCase()}): what it had changed was not taken back. See: headgate report ${state.application}`,
      );
    }
    if (state.progress) {
      output.line(outcomeLine(state.progress, exitCode));
      if (!output.terminal) output.print(closing(state.progress));
    }
    return exitCode;
  }

  #draw(state: RolloutState): void {
    const { output } = this.#context;
    const paint = paintIf(output.color);
    output.draw(renderChecklist(state, { paint, columns: output.columns, nowMs: Date.now() }));
  }

  #sayLive(state: RolloutState): void {
    const { output } = this.#context;
    const stale = state.source === 'memo' && state.temporalStatus === 'RUNNING';
    if (stale !== this.#stale) {
      this.#stale = stale;
      output.note(
        stale
          ? 'no worker answers; the rollout goes on when there is one (headgate worker)'
          : 'a worker answers again',
      );
    }
    const live = describeLive(state.pending, Date.now());
    if (live === undefined || live === this.#saidLive || Date.now() - this.#saidLiveAtMs < LIVE_EVERY_MS)
      return;
    this.#saidLive = live;
    this.#saidLiveAtMs = Date.now();
    output.print(`         ${live}`);
  }
}

function closing({ application, version, outcome, stop, left, runId }: Progress): string {
  return [
    `${application} ${version}: ${outcome}${stop ? ` (${stop.kind}${stop.step ? ` at ${stop.step}` : ''})` : ''}`,
    // What turned it round on its way has been said; what was refused never was on one.
    ...(stop?.kind === 'refused' ? [`  ${stop.message}`] : []),
    ...left.map((line) => `  left: ${line}`),
    `  headgate report ${application}/${runId}`,
  ].join('\n');
}
