/**
 * Fences of a monitor: what the rollout itself has made in the monitor's stage. The verdict is about that and nothing
 * else; what a colleague does in another stage does not change what was measured here.
 *
 * Expected is what a step has returned, so that a change between the step and the monitor is seen as well. What a
 * later step of the rollout has made in the same place is expected there, whatever its stage. `infra` and `run` are
 * not fenced: what they have made is told by a plan of terraform or a program of yours only. As `infra` may set
 * parameters, those of a reboot before it are not fenced either.
 */
import type { Fence, FenceReadings, FoundTaint, Made } from '../contract/activities.js';
import type { Taint } from '../contract/progress.js';
import type { MonitorStep, ResolvedStep } from '../plan/resolved.js';
import { resourceOf } from './lock.js';
import type { Run } from './run.js';
import { now } from './stop.js';

const MOST_SHOWN = 10;

/** To be called when a step has made it; again when it was done again. */
export function recordMade(run: Run, { name }: ResolvedStep, made: Made): void {
  run.made.delete(name);
  run.made.set(name, made);
}

export function fencesOf(run: Run, monitor: MonitorStep): Fence[] {
  const steps = run.plan.stages.flatMap((stage) => stage.steps);
  const last = new Map<string, Fence>();
  const ours = new Set<string>();
  for (const [name, expected] of run.made) {
    const step = steps.find((each) => each.name === name);
    const fenced = step && withoutTheRest(step);
    const [resource] = step ? resourceOf(step) : [];
    if (!step || !fenced || resource === undefined) continue;
    if (step.stage === monitor.stage) ours.add(resource);
    last.set(resource, { step: fenced, expected });
  }
  return [...last].flatMap(([resource, fence]) =>
    ours.has(resource) && !isOverwritten(run, fence) ? [fence] : [],
  );
}

/** What is left is enough to look at it; the rest would only make the history longer. */
function withoutTheRest(step: ResolvedStep): Fence['step'] | undefined {
  if (step.kind === 'deploy') {
    const none = { beforePromotion: [], afterPromotion: [], startsFrom: [] };
    return { ...step, config: { ...step.config, ...none } };
  }
  if (step.kind === 'reboot') return { ...step, config: { ...step.config, verify: [] } };
  if (step.kind === 'secret') return { ...step, config: { ...step.config, set: {} } };
  if (step.kind === 'config') return { ...step, config: { ...step.config, set: {} } };
  return undefined;
}

function isOverwritten(run: Run, { step }: Fence): boolean {
  if (step.kind !== 'reboot') return false;
  const names = run.saga.map((entry) => entry.step.name);
  return run.saga.some(
    (entry) => entry.step.kind === 'infra' && names.indexOf(entry.step.name) > names.indexOf(step.name),
  );
}

/** In the progress, for everybody who looks. */
export function showTaint(run: Run, { name }: MonitorStep, tainted: FoundTaint[]): void {
  const step = run.stepProgress(name);
  step.tainted = [...(step.tainted ?? []), ...tainted.map(plain)].slice(-MOST_SHOWN);
  run.changed();
}

/** Without what only the next reading needs. */
export function plain({ what, expected, found, at }: FoundTaint): Taint {
  return { what, expected, found, at };
}

/** A person has said so: what is there now is what is watched. */
export function takeAsGiven(run: Run, tainted: FoundTaint[], by: string): void {
  for (const { step: name, now: made, what, found } of tainted) {
    if (made === null) run.made.delete(name);
    else run.made.set(name, made);
    follow(run, name, made);
    run.warn(`${what}: ${found} was taken as given by ${by} at ${now()}`);
  }
}

/** Probes ask what is live. */
function follow(run: Run, name: string, made: Made | null): void {
  const step = run.plan.stages.flatMap(({ steps }) => steps).find((each) => each.name === name);
  if (step && made?.kind === 'release') run.releases.set(step.stage, made.release);
}

/** Fences of which nobody can tell whether they held until the end. An older worker reads none, and has told nothing. */
export function unreadFences(
  fences: Fence[],
  readings: Record<string, FenceReadings> | undefined,
  endsAtMs: number,
): string[] {
  if (!readings) return [];
  return fences.flatMap(({ step: { name } }) => {
    const { readAtMs, error = 'nobody did' } = readings[name] ?? {};
    if (readAtMs !== undefined && readAtMs >= endsAtMs) return [];
    const since = readAtMs === undefined ? 'at all' : `since ${new Date(readAtMs).toISOString()}`;
    return [`what ${name} has made could not be looked at ${since}: ${error}`];
  });
}
