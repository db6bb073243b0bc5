/** What the steps of a stage say together: which database it has, which pool limit it will have. Pure. */
import type { DeployStep, ProbeSpec, ResolvedStep } from '../plan/resolved.js';

/** Every probe of a deploy: what they tell of the configuration in force is compared before and after. */
export function probesOfDeploy(step: DeployStep): ProbeSpec[] {
  const byName = new Map(
    [...step.config.beforePromotion, ...step.config.afterPromotion].map((p) => [p.name, p]),
  );
  return [...byName.values()];
}

export function probesOfStage(steps: ResolvedStep[]): ProbeSpec[] {
  return steps.flatMap((step): ProbeSpec[] => {
    if (step.kind === 'deploy') return probesOfDeploy(step);
    if (step.kind === 'check' || step.kind === 'monitor') return step.config.probes;
    if (step.kind === 'loadTest') return step.config.during;
    return step.kind === 'reboot' ? step.config.verify : [];
  });
}

/** The stage's database is the one that its probes ask: a reference, not a value. */
export function databaseUrlOf(steps: ResolvedStep[]): string | undefined {
  const url = probesOfStage(steps).find(({ kind }) => kind === 'postgres')?.config.url;
  return typeof url === 'string' ? url : undefined;
}

/** The pool limit that the stage sets under `key`, if it does. */
export function plannedLimit(steps: ResolvedStep[], key: string): number | undefined {
  const values = steps.flatMap((step) =>
    step.kind === 'secret' || step.kind === 'config' ? [step.config.set[key]] : [],
  );
  const limit = Number(values.find((value) => value !== undefined));
  return Number.isFinite(limit) ? limit : undefined;
}
