/** One thing that a rollout changes, as somebody from outside sees it, meddles with it and mends it. */
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Json } from '../../src/plan/resolved.js';
import type { LocalRds } from '../../test/support/sandbox-rds.js';
import type { Control } from '../control.js';

/** As the rollout found it, as the plan wants it, as a colleague has left it, or none of these. */
export type Standing = 'before' | 'target' | 'theirs' | 'broken';

export interface Seen {
  standing: Standing;
  /** In no way other than before, beside things that only a retry would need. */
  isAsBefore: boolean;
  /** What a colleague has done and is not there any more. */
  lost?: string;
  /** For people. */
  what: string;
}

export interface Item {
  /** Of its step: `production/secret`. */
  step: string;
  /** In the plan, without what every step may have. */
  config: Json;
  look(): Promise<Seen>;
  /** A colleague changes it. @param same the very thing that the plan changes, or something beside it */
  meddle?(same: boolean): Promise<void>;
  /** Somebody brings it back by hand to what the rollout says that it expected: before a colleague came, or after. */
  mend?(expected: string): Promise<void>;
  close?(): Promise<void>;
}

/** Where a run lives. */
export interface Ground {
  application: string;
  /** Of this run alone. */
  folder: string;
  /** Beside the plan. */
  planFolder: string;
  control: Control;
  /** Straight to the API, around every fault. */
  secrets: SecretsManagerClient;
  rds: LocalRds;
  /** A value that a store holds and nothing else may. */
  planted: string;
  /** A terraform state in which everything is as before, and its configuration's folder. */
  terraform: { program: string; state: string; configuration: (call: string[]) => string };
}

/** Arguments of a program of the plan. */
export function programOf({ control }: Ground, thing: string): string[] {
  return [process.execPath, PROGRAM, control.url, thing];
}

const PROGRAM = new URL('../program.mjs', import.meta.url).pathname;

/** What a colleague had done, and whether ours was there already. */
export interface Meddling {
  same: boolean;
  afterOurs: boolean;
}

/** Whose the value is, where there are three that it may have. */
export function standingOf(
  value: unknown,
  values: Record<'before' | 'target' | 'theirs', unknown>,
): Standing {
  const found = Object.entries(values).find(([, each]) => each === value);
  return (found?.[0] as Standing | undefined) ?? 'broken';
}

/** A value of theirs that came after ours has to stay; one that came before may have been built upon. */
export function lostOf(meddling: Meddling | undefined, standing: Standing): string | undefined {
  if (!meddling?.same) return undefined;
  const isThere = standing === 'theirs' || (!meddling.afterOurs && standing === 'target');
  return isThere ? undefined : `the colleague's value is gone: ${standing}`;
}
