/**
 * `monitor`: a durable timer that races a breach and an abort. The hour is one workflow timer, which no
 * restart starts anew; the samples are taken by activities of a few minutes, which end early on a breach. The same
 * activities read the fences (fences.ts): a verdict on what somebody else has changed meanwhile is none, and a person
 * decides, or it goes back (`onTainted`).
 */
import { CancellationScope, sleep } from '@temporalio/workflow';
import type { Fence, FoundTaint, ProbeTally, SamplerState } from '../../contract/activities.js';
import type { Measurement, Waiting } from '../../contract/progress.js';
import { describeTaint } from '../../contract/taint.js';
import type { MonitoredProbe, MonitorStep } from '../../plan/resolved.js';
import { measuring } from '../activity-options.js';
import { fencesOf, plain, showTaint, takeAsGiven, unreadFences } from '../fences.js';
import type { Run } from '../run.js';
import { describeSpan, gateFailed } from '../stop.js';
import { watchWhile } from '../vigil.js';
import { nothing, nothingToLookAt, type StepVerbs } from './step-verbs.js';

const WINDOW_MS = 5 * 60_000;

export const monitor: StepVerbs<MonitorStep> = {
  look: async (_run, step) =>
    nothingToLookAt(`watch ${step.config.probes.length} probes for ${describeSpan(step.config.forMs)}`),

  async act(run, step) {
    for (;;) {
      const { state, fences, endsAtMs } = await watch(run, step);
      if (state.tainted) {
        const passed = await answerTaint(run, step, state.tainted);
        if (passed !== undefined) return passed;
        continue;
      }
      const missing = [...missingEvidence(step, state), ...unreadFences(fences, state.fences, endsAtMs)];
      if (missing.length === 0) {
        run.monitored.push(step);
        return `${describeSpan(step.config.forMs)}, ${countSamples(state)} samples, no breach`;
      }
      const message = `not enough evidence: ${missing.join('; ')}`;
      if (step.config.onInconclusive === 'rollback') throw gateFailed(step.name, message);
      const answer = await run.ask(askAbout(run, step, message));
      if (answer.name === 'skip') return `${message}; let pass by ${answer.by}: ${answer.reason}`;
    }
  },

  verify: nothing,
  undo: null,
  settle: nothing,
};

interface Watched {
  state: SamplerState;
  fences: Fence[];
  endsAtMs: number;
}

/** The hour, unless a taint ends it before. */
async function watch(run: Run, step: MonitorStep): Promise<Watched> {
  const startedAtMs = Date.now();
  const endsAtMs = startedAtMs + step.config.forMs;
  const fences = fencesOf(run, step);
  const scope = new CancellationScope();
  try {
    return await scope.run(async () => {
      const over = sleep(step.config.forMs, { summary: `${step.name}: ${describeSpan(step.config.forMs)}` });
      const sampling = sampleUntil(run, step, fences, startedAtMs, endsAtMs);
      const tainted = sampling.then((state) => (state.tainted ? undefined : over));
      // Whichever of them fails is heard of at once.
      const [state] = await Promise.all([sampling, Promise.race([over, tainted])]);
      return { state, fences, endsAtMs };
    });
  } finally {
    scope.cancel();
  }
}

async function sampleUntil(
  run: Run,
  step: MonitorStep,
  fences: Fence[],
  startedAtMs: number,
  endsAtMs: number,
): Promise<SamplerState> {
  let state: SamplerState = { tallies: {} };
  while (Date.now() < endsAtMs) {
    const untilMs = Math.min(Date.now() + WINDOW_MS, endsAtMs);
    state = await measuring(`sample until ${new Date(untilMs).toISOString()}`, WINDOW_MS).sampleProbes({
      subject: run.subjectOf(step),
      probes: step.config.probes,
      startedAtMs,
      untilMs,
      state: withoutWords(state),
      ...(fences.length > 0 ? { fences, isLast: untilMs === endsAtMs } : {}),
    });
    run.record(step.name, lastOf(state));
    run.note(step.name, `${countSamples(state)} samples, until ${new Date(endsAtMs).toISOString()}`);
    if (state.breach) {
      const { probe, limit, measurement } = state.breach;
      throw gateFailed(step.name, `${probe} breached ${limit}: ${measurement.message}`);
    }
    if (state.tainted) return state;
    // A worker whose clock is ahead ends its window early; asking again at once would spin.
    const earlyMs = untilMs - Date.now();
    if (earlyMs > 0) await sleep(earlyMs, { summary: 'end of the window' });
  }
  return state;
}

/**
 * A sample counts as evidence when it says pass or fail; an error or nothing at all does not. Failures that a limit
 * tolerates show that it was measured, and not that it holds: one sample at least has to pass.
 */
function missingEvidence(step: MonitorStep, { tallies }: SamplerState): string[] {
  return step.config.probes.flatMap((probe) => {
    const due = samplesDue(step, probe);
    const tally = tallies[probe.name];
    const evidence = evidenceOf(tally);
    if (evidence < due * step.config.minimumCoverage) {
      const percent = Math.floor((evidence / due) * 100);
      return [
        `${probe.name} has ${evidence} of ${due} samples (${percent} %, needed ${step.config.minimumCoverage * 100} %)`,
      ];
    }
    return tally?.pass ? [] : [`${probe.name} has not passed once in ${evidence} samples`];
  });
}

function samplesDue(step: MonitorStep, { limits }: MonitoredProbe): number {
  return Math.max(1, Math.floor((step.config.forMs - limits.initialDelayMs) / limits.intervalMs));
}

/** What a followed probe tells between two samples speaks against it, and makes up for no sample that is missing. */
function evidenceOf(tally: ProbeTally | undefined): number {
  return tally ? tally.pass + tally.fail - (tally.early ?? 0) : 0;
}

function countSamples({ tallies }: SamplerState): number {
  return Object.values(tallies).reduce((sum, tally) => sum + tally.taken, 0);
}

/** Of this window: what an earlier one has said is recorded, and comes back without words. */
function lastOf({ tallies }: SamplerState): Measurement[] {
  return Object.values(tallies).flatMap(({ last }) => (last && last.message !== '' ? [last] : []));
}

/** For the next window, which counts on: the words and figures of this one would be in the history twice. */
function withoutWords({ tallies, ...rest }: SamplerState): SamplerState {
  const counts = Object.entries(tallies).map(([name, { last, ...tally }]): [string, ProbeTally] => [
    name,
    last ? { ...tally, last: { ...last, message: '', values: {} } } : tally,
  ]);
  return { ...rest, tallies: Object.fromEntries(counts) };
}

/**
 * The verdict would be about something else than what was rolled out.
 * @returns what to say of the step when it counts as passed; undefined when it is to be watched anew
 */
async function answerTaint(run: Run, step: MonitorStep, tainted: FoundTaint[]): Promise<string | undefined> {
  showTaint(run, step, tainted);
  const message = `tainted, somebody else has changed it meanwhile: ${tainted.map(describeTaint).join('; ')}`;
  if (step.config.onTainted === 'rollback') throw gateFailed(step.name, `${message} (onTainted: rollback)`);
  run.markStep(step.name, 'waiting');
  run.note(step.name, message);
  const waiting = askAbout(run, step, message, tainted);
  // A colleague's change that breaks what is live must not wait for an answer either.
  const answer = await watchWhile(run, () => run.ask(waiting), [step]);
  run.markStep(step.name, 'running');
  takeAsGiven(run, tainted, answer.by);
  return answer.name === 'skip' ? `${message}; let pass by ${answer.by}: ${answer.reason}` : undefined;
}

function askAbout(
  run: Run,
  step: MonitorStep,
  message: string,
  tainted?: FoundTaint[],
): Omit<Waiting, 'since'> {
  const answers: Waiting['answers'] = ['retry', 'skip', 'abort'];
  const asked = tainted ? `${message} (onTainted: hold)` : message;
  const again = tainted ? 'takes what is there now as given and watches anew' : 'watches again';
  run.tell('waiting', `${step.name}: ${asked}`, [], { answers, step: step.name });
  return {
    for: 'decision',
    step: step.name,
    message: `${asked}. retry ${again}, skip lets it pass, abort rolls back`,
    ...(tainted ? { tainted: tainted.map(plain) } : {}),
    answers,
  };
}
