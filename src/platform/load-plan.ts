/** A plan file from disk: read, parsed, and with the digests of the files that it names. */
import { createReadStream } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { digestJson } from '../plan/canonical.js';
import type { PlanFault } from '../plan/faults.js';
import { type NamedSource, type ParsedPlan, parsePlan } from '../plan/parse.js';
import type { PlanDraft } from '../plan/resolve.js';
import type { PinnedSource, PlanFile, PlanSource, ResolvedPlan } from '../plan/resolved.js';
import { digestPath, PlanFileError } from './plan-files.js';
import { SourceError, type Sources } from './sources.js';

export interface LoadedPlan {
  faults: PlanFault[];
  warnings: PlanFault[];
  /** Files that are named and cannot be read, a source that is not there: a start is refused. */
  missing: PlanFault[];
  /** The source of the files cannot be reached now. */
  unreachable: PlanFault[];
  outline: ParsedPlan['outline'];
  /** The files come from there. */
  source?: PlanSource;
  /** What the plan file alone says. Absent with faults. */
  draft?: PlanDraft;
  /** Absent when there is anything of faults, missing or unreachable, and with a source that was not asked. */
  plan?: ResolvedPlan;
}

export interface LoadOptions {
  /** Loaded when a plan has a source. Left out: its source is not asked, and its files are not looked at. */
  loadSources?: () => Promise<Sources>;
  signal?: AbortSignal;
}

/** Never throws for a plan that cannot be read: that is a fault. @throws the signal's reason */
export async function loadPlan(
  file: string,
  overrides: Record<string, string>,
  options: LoadOptions = {},
): Promise<LoadedPlan> {
  let text: string;
  try {
    text = await readBeginning(file);
  } catch (error) {
    return { ...NOTHING, faults: [unreadable(file, error)] };
  }
  const parsed = parsePlan({ text, file, overrides });
  const { faults, warnings, outline, source, draft } = parsed;
  const base = {
    ...NOTHING,
    faults,
    warnings,
    outline,
    ...(source && { source: source.source }),
    ...(draft && { draft }),
  };
  const place = source ? await openSource(source, options) : { directory: dirname(resolve(file)) };
  if (!place) return base;
  if ('directory' in place) return { ...base, ...(await readFiles(parsed, place)) };
  return place.mayPass ? { ...base, unreachable: [place.fault] } : { ...base, missing: [place.fault] };
}

/** More than any plan has; of what is longer, or has no end, the rest is not read. */
const LONGEST_READ = 1024 * 1024;

async function readBeginning(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { end: LONGEST_READ - 1 })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const NOTHING = { faults: [], warnings: [], missing: [], unreachable: [], outline: [] };

async function readFiles(
  { files, draft }: ParsedPlan,
  { directory, pinned }: FilePlace,
): Promise<Pick<LoadedPlan, 'missing' | 'plan'>> {
  const found = await Promise.all(files.map((named) => digestNamed(directory, named)));
  const missing = found.flatMap((each) => ('fault' in each ? [each.fault] : []));
  if (!draft || missing.length > 0) return { missing };
  const digested = found.flatMap((each) => ('file' in each ? [each.file] : []));
  // What a machine calls its checkout is no part of the plan.
  const where = pinned ? { source: pinned, directory: '' } : { directory };
  const whole = { ...draft, files: digested, ...where };
  return { missing, plan: { ...whole, digest: digestJson(whole) } };
}

interface FilePlace {
  /** Absolute. */
  directory: string;
  pinned?: PinnedSource;
}

/** `undefined` when nobody is to be asked. */
async function openSource(
  { source, toFault }: NamedSource,
  { loadSources, signal = new AbortController().signal }: LoadOptions,
): Promise<FilePlace | { fault: PlanFault; mayPass: boolean } | undefined> {
  if (!loadSources) return undefined;
  try {
    const sources = await loadSources();
    const pinned = await sources.pin(source, signal);
    return { directory: await sources.checkOut(pinned, signal), pinned };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return { fault: toFault(error.key, error.message, error.fix), mayPass: error.mayPass };
  }
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
