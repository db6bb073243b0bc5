/** `init`, as seldom as possible: it asks the registry and the backend. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withInstallLock } from '../../platform/install-lock.js';
import { type Diagnostic, readTextErrors } from './output.js';

export interface InitJob {
  /** Although nothing has changed since. */
  again: boolean;
  /** Of the configuration. */
  directory: string;
  /** Holds the mark of what was initialized. */
  cache: string;
  /** The backend's settings; other values need another init. */
  backend: string;
  what: string;
  signal: AbortSignal;
  run(): Promise<{ exitCode: number | null; stdout: string; stderr: string }>;
  explain(diagnostics: Diagnostic[], otherwise: string): Error;
}

/** @throws what `explain` makes of its errors */
export async function initializeOnce(job: InitJob): Promise<void> {
  const mark = join(job.cache, 'initialized');
  const wanted = await digestConfiguration(job);
  const isDone = async () => !job.again && (await readFile(mark, 'utf8').catch(() => '')) === wanted;
  if (await isDone()) return;
  await withInstallLock(mark, job.what, { signal: job.signal }, async () => {
    if (await isDone()) return;
    await rm(mark, { force: true });
    const { exitCode, stdout, stderr } = await job.run();
    if (exitCode !== 0) throw job.explain(readTextErrors(stderr || stdout), stderr || stdout);
    if (/^Warning: Missing backend configuration/m.test(stdout)) {
      const detail =
        'backendConfig is given, but the configuration has no backend block. Add terraform { backend "…" {} }.';
      throw job.explain([{ severity: 'error', summary: 'Missing backend configuration', detail }], '');
    }
    await writeFile(mark, wanted, { mode: 0o600 });
  });
}

/** Files that decide on providers, modules and backend. A module from elsewhere that has changed is noticed by `plan`. */
async function digestConfiguration({ directory, backend }: InitJob): Promise<string> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(tf|tofu)(\.json)?$|^\.terraform\.lock\.hcl$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const hash = createHash('sha256').update(`${backend}\0`);
  for (const file of files) hash.update(`${file}\0`).update(await readFile(file));
  return hash.digest('hex');
}

const NEEDS_INIT =
  /Module not installed|Backend initialization required|Required plugins are not installed|Inconsistent dependency lock file|Module source has changed|Module version requirements have changed|Missing required provider/i;

/** Terraform's word for "run init first". */
export function needsInit(diagnostics: Diagnostic[]): boolean {
  return diagnostics.some(({ severity, summary }) => severity === 'error' && NEEDS_INIT.test(summary));
}
