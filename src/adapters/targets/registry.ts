/** Every kind of deploy target that this version has: one folder, one line. */
import type { ZodType } from 'zod';
import type { Release } from '../../contract/activities.js';
import type { Json } from '../../plan/resolved.js';
import { invalid } from '../../platform/failures.js';
import { type CommandTargetDeps, createCommandTarget } from './command/index.js';
import { schema as commandSchema } from './command/schema.js';
import type { LogOf, Target, TargetCall } from './target.js';

/** A target whose configuration has been checked, with the call that it is for. */
export type BoundTarget = {
  [Verb in 'status' | 'prepare']: () => ReturnType<Target<unknown>[Verb]>;
} & {
  [Verb in 'promote' | 'restore' | 'retire' | 'restart']: (
    release: Parameters<Target<unknown>[Verb]>[1],
  ) => Promise<void>;
} & {
  staged: boolean;
  effect: ReturnType<Target<unknown>['effect']>;
  recreate: (release: Release) => Promise<Release>;
  logs: (release: Release, which: LogOf) => Promise<string | undefined>;
};

export interface CheckedTarget {
  kind: string;
  /** @throws ApplicationFailure `Invalid` when the schema does not accept the configuration */
  bind(call: TargetCall<{ [key: string]: Json }>): BoundTarget;
}

export type Targets = ReadonlyMap<string, CheckedTarget>;

export function createTargets(deps: CommandTargetDeps): Targets {
  const targets = [checked(commandSchema, createCommandTarget(deps))];
  return new Map(targets.map((target) => [target.kind, target]));
}

/** Puts the schema of its folder in front of a target. */
export function checked<Config>(schema: ZodType<Config>, target: Target<Config>): CheckedTarget {
  return {
    kind: target.kind,
    bind(raw) {
      const parsed = schema.safeParse(raw.config);
      if (!parsed.success) {
        const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
        throw invalid(`The ${target.kind} target is not configured right: ${faults.join('; ')}`);
      }
      const call = { ...raw, config: parsed.data };
      return {
        staged: target.staged(parsed.data, call.strategy),
        effect: target.effect(parsed.data),
        recreate: (release) => (target.recreate ?? target.prepare)(call, release),
        status: () => target.status(call),
        prepare: () => target.prepare(call),
        promote: (release) => target.promote(call, release),
        restore: (release) => target.restore(call, release),
        retire: (release) => target.retire(call, release),
        restart: (release) => target.restart(call, release),
        logs: async (release, which) => target.logs?.(call, release, which),
      };
    },
  };
}
