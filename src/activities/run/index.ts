/**
 * `run`: a program of yours, with the programs that verify it and take it back. Lists of arguments, never a shell,
 * in the plan's folder, and only on a worker that allows it. Every attempt runs it once: whether an unknown result
 * may be repeated is for the workflow to find out.
 */
import type {
  HeadgateActivities,
  RunEffect,
  RunFound,
  RunInput,
  UndoResult,
} from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import { ChildStartError } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';
import {
  LONGEST_SAID,
  measureVerify,
  type Ran,
  type RunDeps,
  type RunVerb,
  requireEnabled,
  runProgram,
} from './call.js';
import { lookRun, requireLookedAt } from './look.js';

export function createRunActivities(deps: RunDeps) {
  return {
    lookRun: (input: RunInput) => lookRun(deps, input),
    runCommand: (input: RunInput & { base?: RunFound }) => runCommand(deps, input),
    verifyCommand: (input: RunInput) => measureVerify(deps, input),
    undoCommand: (input: RunInput) => undoCommand(deps, input),
  } satisfies Pick<HeadgateActivities, 'lookRun' | 'runCommand' | 'verifyCommand' | 'undoCommand'>;
}

async function runCommand(deps: RunDeps, input: RunInput & { base?: RunFound }): Promise<RunEffect> {
  requireEnabled(deps, input);
  await requireLookedAt(deps, input);
  const ran = await runOrExplain(deps, input, 'command');
  if (ran.fault !== undefined) throw invalid(explain(input, ran));
  return { said: ran.said, artifacts: ran.artifacts };
}

/** @throws Error that may be repeated when it fails: a plan's undo has to be safe to repeat */
async function undoCommand(deps: RunDeps, input: RunInput): Promise<UndoResult> {
  const ran = await runOrExplain(deps, input, 'undo');
  if (ran.fault !== undefined) throw new Error(explain(input, ran));
  const said = ran.said === '' ? 'exited with 0' : ran.said;
  return { summary: clip(deps.redactor.redact(`${ran.line}: ${said}`), LONGEST_SAID), changed: true };
}

async function runOrExplain(deps: RunDeps, input: RunInput, verb: RunVerb): Promise<Ran> {
  try {
    return await runProgram(deps, input, verb);
  } catch (error) {
    // That the guardian did not run is the worker's trouble of the moment; the rest is the plan's.
    if (!(error instanceof ChildStartError) || error.code === 'EGUARDIAN') throw error;
    throw invalid(`${input.step.name}: ${error.message}`);
  }
}

function explain({ step }: RunInput, { line, fault, artifacts }: Ran): string {
  const log = artifacts.length > 0 ? ` (all of it: ${artifacts.join(', ')})` : '';
  return `${step.name}: ${line} ${fault}${log}`;
}
