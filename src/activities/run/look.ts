/** What a `run` step would do: its programs are there, and what an approval of them is bound to. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, sep } from 'node:path';
import type { Look, RunFound, RunInput } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import { digestJson } from '../../plan/canonical.js';
import { childEnvironment } from '../../platform/children.js';
import { drift, invalid } from '../../platform/failures.js';
import { PlanFileError, resolvePlanFile } from '../../platform/plan-files.js';
import { digestFilesIn, whatDiffers } from '../files-looked-at.js';
import {
  LONGEST_SAID,
  measureVerify,
  type RunDeps,
  requireEnabled,
  resolveArguments,
  showCommand,
} from './call.js';

/** Runs nothing but the step's `verify`. */
export async function lookRun(deps: RunDeps, input: RunInput): Promise<Look<RunFound>> {
  requireEnabled(deps, input);
  const { name } = input.step;
  const { command, undo, verify } = await resolveAll(deps, input);
  for (const [file] of [command, undo ?? [], verify ?? []]) {
    if (file !== undefined) await requireProgram(input, file);
  }
  const files = await readFiles(input, { command, undo, verify });
  const held = verify ? await askVerify(deps, input) : null;
  const show = (argv: string[]) => clip(deps.redactor.redact(`runs: ${showCommand(argv)}`), LONGEST_SAID);
  return {
    found: { held, files },
    changes: [show(command)],
    warnings: held ? [`${name}: its verify holds already, before the command has run`] : [],
    effect: verify ? 'detectable' : 'neither',
    undo: undo && show(undo),
    digest: digestJson({ command, undo, verify, files }),
  };
}

interface Programs {
  command: string[];
  undo?: string[];
  verify?: string[];
}

async function resolveAll(deps: RunDeps, input: RunInput): Promise<Programs> {
  const { undo, verify } = input.step.config;
  return {
    command: await resolveArguments(deps, input, 'command'),
    ...(undo && { undo: await resolveArguments(deps, input, 'undo') }),
    ...(verify && { verify: await resolveArguments(deps, input, 'verify') }),
  };
}

async function readFiles({ context }: RunInput, { command, undo = [], verify = [] }: Programs) {
  return digestFilesIn(context.directory, [...command, ...undo, ...verify]);
}

/** @throws `Drift` when what would run is not what was looked at */
export async function requireLookedAt(deps: RunDeps, input: RunInput & { base?: RunFound }): Promise<void> {
  const { step, base } = input;
  if (base?.files === undefined) return;
  const changed = whatDiffers(base.files, await readFiles(input, await resolveAll(deps, input)));
  if (changed === undefined) return;
  throw drift(`${step.name}: ${changed} is not what was looked at. Nothing was run.`, { item: changed });
}

/** Without an answer there is nothing that the way back could be measured against. */
async function askVerify(deps: RunDeps, input: RunInput): Promise<boolean> {
  const { outcome, message } = await measureVerify(deps, input);
  if (outcome !== 'error') return outcome === 'pass';
  throw new Error(`${input.step.name}: its verify gives no answer: ${message}`);
}

/** A bare name is looked for on the PATH that the program will see, anything else from the plan's folder. */
async function requireProgram({ context, step }: RunInput, file: string): Promise<void> {
  const bare = !file.includes(sep);
  const folders = (childEnvironment().PATH ?? '').split(delimiter);
  const candidates = bare
    ? folders.map((folder) => join(folder, file))
    : [await locate(context.directory, file, step.name)];
  for (const candidate of candidates) if (await isExecutable(candidate)) return;
  const where = bare
    ? "on the worker's PATH. Install it there, or name a file of the plan's folder: ./tools/it"
    : `at ${candidates[0]}. Check the path, and that the worker may execute it (chmod +x)`;
  throw invalid(`${step.name}: there is no program "${file}" ${where}.`);
}

async function locate(directory: string, file: string, step: string): Promise<string> {
  if (isAbsolute(file)) return file;
  try {
    return await resolvePlanFile(directory, file);
  } catch (error) {
    if (!(error instanceof PlanFileError)) throw error;
    if (error.reason === 'missing') return join(directory, file);
    throw invalid(`${step}: ${error.message} Put the program into the folder, or on the worker's PATH.`);
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
