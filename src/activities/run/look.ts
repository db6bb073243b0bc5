/** What a `run` step would do: its programs are there, and what an approval of them is bound to. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, sep } from 'node:path';
import type { Look, RunFound, RunInput } from '../../contract/activities.js';
import { digestJson } from '../../plan/canonical.js';
import { childEnvironment } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';
import { digestPath, PlanFileError, resolvePlanFile } from '../../platform/plan-files.js';
import { clip } from '../fit.js';
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
  const { config, name } = input.step;
  const command = await resolveArguments(deps, input, 'command');
  const undo = config.undo && (await resolveArguments(deps, input, 'undo'));
  const verify = config.verify && (await resolveArguments(deps, input, 'verify'));
  const all = [command, undo ?? [], verify ?? []];
  for (const [file] of all) if (file !== undefined) await requireProgram(input, file);
  const { directory } = input.context;
  const files = await Promise.all(all.flat().map((argument) => digestInside(directory, argument)));
  const held = verify ? await askVerify(deps, input) : null;
  const show = (argv: string[]) => clip(deps.redactor.redact(`runs: ${showCommand(argv)}`), LONGEST_SAID);
  return {
    found: { held },
    changes: [show(command)],
    warnings: held ? [`${name}: its verify holds already, before the command has run`] : [],
    effect: verify ? 'detectable' : 'neither',
    undo: undo && show(undo),
    digest: digestJson({ command, undo, verify, files }),
  };
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

/** Of a program or script of the plan's folder, which is part of what is approved; null for any other argument. */
async function digestInside(directory: string, argument: string): Promise<string | null> {
  if (argument === '' || isAbsolute(argument)) return null;
  try {
    if (!(await stat(await resolvePlanFile(directory, argument))).isFile()) return null;
    return await digestPath(directory, argument);
  } catch {
    return null;
  }
}
