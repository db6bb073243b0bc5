/** Every kind of deploy target that this version has: one folder, one line. */
import type { ZodType } from 'zod';
import type { Release } from '../../contract/activities.js';
import type { Json } from '../../plan/resolved.js';
import { invalid } from '../../platform/failures.js';
import { type CommandTargetDeps, createCommandTarget } from './command/index.js';
import { schema as commandSchema } from './command/schema.js';
import { createDockerStackTarget, type DockerStackTargetDeps } from './dockerStack/index.js';
import { schema as dockerStackSchema } from './dockerStack/schema.js';
import { createGithubActionsTarget } from './githubActions/index.js';
import { schema as githubActionsSchema } from './githubActions/schema.js';
import { createKubernetesTarget, type KubernetesTargetDeps } from './kubernetes/index.js';
import { schema as kubernetesSchema } from './kubernetes/schema.js';
import { createSshTarget, type SshTargetDeps } from './ssh/index.js';
import { schema as sshSchema } from './ssh/schema.js';
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
  files: string[];
  pin: () => Promise<string | undefined>;
  recreate: (release: Release) => Promise<Release>;
  logs: (release: Release, which: LogOf) => Promise<string | undefined>;
};

export interface CheckedTarget {
  kind: string;
  /** @throws ApplicationFailure `Invalid` when the schema does not accept the configuration */
  bind(call: TargetCall<{ [key: string]: Json }>): BoundTarget;
}

export type Targets = ReadonlyMap<string, CheckedTarget>;

export type TargetDeps = CommandTargetDeps & DockerStackTargetDeps & KubernetesTargetDeps & SshTargetDeps;

export function createTargets(deps: TargetDeps): Targets {
  const targets = [
    checked(commandSchema, createCommandTarget(deps)),
    checked(githubActionsSchema, createGithubActionsTarget()),
    checked(kubernetesSchema, createKubernetesTarget(deps)),
    checked(dockerStackSchema, createDockerStackTarget(deps)),
    checked(sshSchema, createSshTarget(deps)),
  ];
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
        files: target.files?.(parsed.data) ?? [],
        recreate: (release) => target.recreate?.(call, release) ?? target.prepare(call),
        status: () => target.status(call),
        pin: async () => target.pin?.(call),
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
