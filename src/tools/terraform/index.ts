/**
 * terraform and tofu: one plan, looked at and perhaps applied, in the folder that holds the configuration and without
 * writing into it. What terraform needs to keep (providers, the backend's settings) is kept below `$HEADGATE_HOME`,
 * in a folder that only the worker's user may read: terraform writes the backend's settings there as they are.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ProcessFacts } from '../../platform/process-facts.js';
import type { TerraformPlan } from './plan.js';
import { TerraformSession } from './session.js';

export interface TerraformDeps {
  /** @throws Error that says what to do when there is none */
  findTool: (tool: 'terraform' | 'tofu') => Promise<{ path: string }>;
  env: NodeJS.ProcessEnv;
  /** `$HEADGATE_HOME` */
  home: string;
  /** Masks what the worker knows to be secret. */
  redact: (text: string) => string;
  processes: ProcessFacts;
  /** How long a state lock is waited for in one go; 2 minutes when left out. */
  lockWaitMs?: number;
}

export type Variables = Record<string, string | number | boolean>;

export interface TerraformCall {
  tool: 'terraform' | 'tofu';
  /** Absolute. */
  directory: string;
  /** As the plan names it. */
  folder: string;
  /** As the plan writes it: what is kept is kept apart for each. */
  backendKey: Record<string, string>;
  /** With their values. */
  backendConfig: Record<string, string>;
  /** Later ones win: absolute paths of variable files, or values. They never become arguments. */
  variables: (string | Variables)[];
  targets: string[];
  /** False: the state is taken for the truth. */
  refresh: boolean;
  /** Which step this is: a later attempt of it learns what a killed one was doing. */
  owner: string;
  /** Killed attempts of these count. */
  formerOwners: string[];
  /** Addresses that may be created anew when a killed attempt was at their provisioner. */
  recreatable: string[];
  signal: AbortSignal;
  abortGraceMs: number;
  onProgress: (progress: TerraformProgress) => void;
  /** The newest 4 MiB of the events of an apply, JSON lines, however it has ended. */
  onLog?: (text: string) => Promise<void>;
}

export interface TerraformProgress {
  doing: string;
  /** Under way. */
  resources: string[];
  done: number;
  total: number;
}

export interface Applied {
  added: number;
  changed: number;
  destroyed: number;
}

export interface OpenPlan extends TerraformPlan {
  warnings: string[];
  /** Their creation was killed in the middle, and they are created anew. */
  interrupted: string[];
  /** This very plan. @throws Error that may be repeated when the state has moved on since */
  apply: () => Promise<Applied>;
}

export interface Terraform {
  /**
   * Initializes where that is needed, plans, and hands the plan over; its file and everything secret beside it are
   * gone afterwards. Waits for the state lock, and breaks only one whose holder is proven dead.
   * @throws ApplicationFailure `Invalid` or `NotPermitted` that names file and line; Error when repeating may help;
   * the signal's reason, when nothing of terraform is left
   */
  withPlan<T>(call: TerraformCall, use: (plan: OpenPlan) => Promise<T>): Promise<T>;
}

export function createTerraform(deps: TerraformDeps): Terraform {
  return {
    async withPlan(call, use) {
      const { path: program } = await deps.findTool(call.tool);
      const session = await TerraformSession.open(deps, call, program, cacheOf(deps.home, call));
      try {
        return await use(await session.plan());
      } finally {
        await session.close();
      }
    },
  };
}

function cacheOf(home: string, { tool, directory, backendKey }: TerraformCall): string {
  const backend = Object.entries(backendKey).sort(([a], [b]) => (a < b ? -1 : 1));
  const key = createHash('sha256')
    .update(JSON.stringify([tool, directory, backend]))
    .digest('hex');
  return join(home, 'cache', 'terraform', key.slice(0, 32));
}
