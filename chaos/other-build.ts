/**
 * A second build for workers that run beside the first: the same code with another version and another workflow bundle,
 * in which the words that a workflow only shows are others. Commands and their order are the same, as they have to be of
 * two builds that carry on each other's histories: what differs in commands is what `patched()` and the replay of
 * recorded histories are for.
 */
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILD } from './lane.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Of summaries that every rollout has. */
const WORDS = [
  ['files of the plan', 'files of the plan, told by another build'],
  ['everything was restored', 'everything was restored, told by another build'],
] as const;

/** @returns its folder */
export async function makeOtherBuild(folder: string): Promise<string> {
  const own = join(folder, 'other-build');
  const build = join(own, 'dist');
  await mkdir(own);
  await cp(BUILD, build, { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(own, 'node_modules'));
  const description = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  await writeFile(join(own, 'package.json'), JSON.stringify({ ...description, version: '0.0.0-other' }));
  const bundle = join(build, 'workflow-bundle.js');
  let code = await readFile(bundle, 'utf8');
  for (const [ours, theirs] of WORDS) {
    if (!code.includes(ours)) throw new Error(`the workflow bundle does not say "${ours}" any more`);
    code = code.replaceAll(ours, theirs);
  }
  await writeFile(bundle, code);
  return build;
}
