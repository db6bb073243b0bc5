/**
 * `monitor`: a durable timer that races a breach and an abort. The hour is one workflow timer, which no
 * restart starts anew; the samples are taken by activities of a few minutes, which end early on a breach.
 */
import { CancellationScope, sleep } from '@temporalio/workflow';
import type { ProbeTally, SamplerState } from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import type { MonitoredProbe, MonitorStep } from '../../plan/resolved.js';
import { measuring } from '../activity-options.js';
import type { Run } from '../run.js';
import { describeSpan, gateFailed } from '../stop.js';
import { nothing, nothingToLookAt, type StepVerbs } from './step-verbs.js';

const WINDOW_MS = 5 * 60_000;

export const monitor: StepVerbs<MonitorStep> = {
  look: async (_run, step) =>
    nothingToLookAt(`watch ${step.config.probes.length} probes for ${describeSpan(step.config.forMs)}`),

  async act(run, step) {
    for (;;) {
      const state = await watch(run, step);
      const missing = missingEvidence(step, state);
      if (missing.length === 0) {
        run.monitored.push(step);
        return `${describeSpan(step.config.forMs)}, ${countSamples(state)} samples, no breach`;
      }
      const message = `not enough evidence: ${missing.join('; ')}`;
      if (step.config.onInconclusive === 'rollback') throw gateFailed(step.name, message);
      const answer = await askAbout(run, step, message);
      if (answer.name === 'skip') return `${message}; let pass by ${answer.by}: ${answer.reason}`;
    }
  },

  verify: nothing,
  undo: null,
  settle: nothing,
};

async function watch(run: Run, step: MonitorStep): Promise<SamplerState> {
  const startedAtMs = Date.now();
  const endsAtMs = startedAtMs + step.config.forMs;
  const scope = new CancellationScope();
  try {
    const [, state] = await scope.run(() =>
      Promise.all([
        sleep(step.config.forMs, { summary: `${step.name}: ${describeSpan(step.config.forMs)}` }),
        sampleUntil(run, step, startedAtMs, endsAtMs),
      ]),
    );
    return state;
  } finally {
    scope.cancel();
  }
}

async function sampleUntil(
  run: Run,
  step: MonitorStep,
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
      state,
    });
    run.record(step.name, lastOf(state));
    run.note(step.name, `${countSamples(state)} samples, until ${new Date(endsAtMs).toISOString()}`);
    if (state.breach) {
      const { probe, limit, measurement } = state.breach;
      throw gateFailed(step.name, `${probe} breached ${limit}: ${measurement.message}`);
    }
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

function lastOf({ tallies }: SamplerState): Measurement[] {
  return Object.values(tallies).flatMap(({ last }) => (last ? [last] : []));
}

async function askAbout(run: Run, step: MonitorStep, message: string) {
  run.tell('waiting', `${step.name}: ${message}`, [], {
    answers: ['retry', 'skip', 'abort'],
    step: step.name,
  });
  return run.ask({
    for: 'decision',
    step: step.name,
    message: `${message}. retry watches again, skip lets it pass, abort rolls back`,
    answers: ['retry', 'skip', 'abort'],
  });
}
