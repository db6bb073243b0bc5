/**
 * The builds that workers run from: copies, so that a build of the checkout takes no file away below a worker; and a
 * second one for workers beside the first: the same code with another version and another workflow bundle, in which the
 * words that a workflow only shows are others. Commands and their order are the same, as they have to be of two builds
 * that carry on each other's histories: what differs in commands is what `patched()` and the replay of recorded
 * histories are for.
 */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Of summaries that every rollout has. */
const WORDS = [
  ['files of the plan', 'files of the plan, told by another build'],
  ['everything was restored', 'everything was restored, told by another build'],
] as const;

/** Folders: of the build under test, and of the other. */
export interface Builds {
  ours: string;
  other: string;
}

export async function makeBuilds(folder: string): Promise<Builds> {
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const [ours, other] = await Promise.all([
    copyBuild(join(folder, 'build'), version),
    copyBuild(join(folder, 'other-build'), '0.0.0-other'),
  ]);
  await reword(join(other, 'workflow-bundle.js'));
  return { ours, other };
}

async function copyBuild(own: string, version: string): Promise<string> {
  await mkdir(own);
  await cp(join(ROOT, 'dist'), join(own, 'dist'), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(own, 'node_modules'));
  const description = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  await writeFile(join(own, 'package.json'), JSON.stringify({ ...description, version }));
  return join(own, 'dist');
}

async function reword(bundle: string): Promise<void> {
  let code = await readFile(bundle, 'utf8');
  for (const [ours, theirs] of WORDS) {
    if (!code.includes(ours)) throw new Error(`the workflow bundle does not say "${ours}" any more`);
    code = code.replaceAll(ours, theirs);
  }
  await writeFile(bundle, code);
}
