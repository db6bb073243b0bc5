/** A plan file from disk: read, parsed, and with the digests of the files that it names. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { digestJson } from '../plan/canonical.js';
import type { PlanFault } from '../plan/faults.js';
import { type ParsedPlan, parsePlan } from '../plan/parse.js';
import type { PlanFile, ResolvedPlan } from '../plan/resolved.js';
import { digestPath, PlanFileError } from './plan-files.js';

export interface LoadedPlan {
  faults: PlanFault[];
  warnings: PlanFault[];
  /** The plan is right, but this version does not carry it out. */
  unavailable: PlanFault[];
  /** Files that are named and cannot be read: a start is refused. */
  missing: PlanFault[];
  outline: ParsedPlan['outline'];
  /** Absent when there is anything of faults, unavailable or missing. */
  plan?: ResolvedPlan;
}

/** Never throws: a plan that cannot be read is a fault. */
export async function loadPlan(file: string, overrides: Record<string, string>): Promise<LoadedPlan> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    return { faults: [unreadable(file, error)], warnings: [], unavailable: [], missing: [], outline: [] };
  }
  const { faults, warnings, unavailable, outline, files, draft } = parsePlan({ text, file, overrides });
  const directory = dirname(resolve(file));
  const found = await Promise.all(files.map((named) => digestNamed(directory, named)));
  const missing = found.flatMap((each) => ('fault' in each ? [each.fault] : []));
  const base = { faults, warnings, unavailable, missing, outline };
  if (!draft || missing.length > 0) return base;
  const digested = found.flatMap((each) => ('file' in each ? [each.file] : []));
  const whole = { ...draft, files: digested, directory };
  return { ...base, plan: { ...whole, digest: digestJson(whole) } };
}

async function digestNamed(
  directory: string,
  { path, toFault }: ParsedPlan['files'][number],
): Promise<{ file: PlanFile } | { fault: PlanFault }> {
  try {
    return { file: { path, sha256: await digestPath(directory, path) } };
  } catch (error) {
    if (error instanceof PlanFileError) return { fault: toFault(error.message) };
    throw error;
  }
}

function unreadable(file: string, error: unknown): PlanFault {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  const message = code === 'ENOENT' ? `${file} does not exist.` : `${file} cannot be read (${code}).`;
  return {
    code: 'file',
    file,
    line: 1,
    column: 1,
    path: '',
    message,
    expected: 'a plan file',
    fix: 'Correct the path.',
  };
}
