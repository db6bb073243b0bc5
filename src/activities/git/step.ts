/** What every verb of a `git` step begins with: the plan's values put in, the working tree opened, our marks. */
import { readFile } from 'node:fs/promises';
import { isAbsolute, normalize, resolve as resolvePath, sep } from 'node:path';
import type { GitFound, GitInput } from '../../contract/activities.js';
import { invalid } from '../../platform/failures.js';
import { PlanFileError, resolvePlanFile } from '../../platform/plan-files.js';
import type { References } from '../../platform/references.js';
import type { Git, TagAt, WorkTree } from '../../tools/git/index.js';

export interface GitDeps {
  git: Git;
  references: Pick<References, 'resolveText'>;
}

export type GitCall = GitInput & { base: GitFound };

export interface GitWork {
  tree: WorkTree;
  /** `origin/main`, for people. */
  place: (branch: string) => string;
  paths: string[];
  tag?: string;
  /** Not before it is needed: the way back does not depend on the file. */
  readTemplate: () => Promise<string>;
  /** Lines that tell a commit and a tag of this step and this rollout from every other one. */
  marks: string[];
  /** The same for the commit that takes ours back. */
  undoMarks: string[];
  /** Values of `${rollout:…}`. */
  resolve: (reference: string) => Promise<string>;
}

/** @throws ApplicationFailure `Invalid` for a folder, file, path or name that cannot be */
export async function openGit(deps: GitDeps, input: GitInput, signal: AbortSignal): Promise<GitWork> {
  const { context, step } = input;
  const { config } = step;
  const subject = { context, stage: step.stage, step: step.name };
  const resolve = (text: string) => deps.references.resolveText(text, subject, { publicOnly: true });
  const tag = config.tag === undefined ? undefined : requireTagName(await resolve(config.tag), step.name);
  const paths = await Promise.all(
    config.paths.map(async (path) => requireInside(await resolve(path), step.name)),
  );
  // Where the worker has its checkout is the worker's business: it may lie anywhere.
  const directory = resolvePath(
    context.directory,
    await deps.references.resolveText(config.directory, subject),
  );
  const tree = await deps.git.open({ directory, remote: await resolve(config.remote), signal });
  return {
    tree,
    place: (branch) => `${tree.remote}/${branch}`,
    paths,
    tag,
    readTemplate: async () =>
      readFile(await locate(context.directory, config.messageFile, step.name), 'utf8'),
    marks: [rolloutMark(input), `Headgate-Step: ${step.name}`],
    undoMarks: [rolloutMark(input), `Headgate-Undo: ${step.name}`],
    resolve,
  };
}

function rolloutMark({ context }: GitInput): string {
  return `Headgate-Rollout: ${context.application}/${context.runId}`;
}

async function locate(root: string, path: string, step: string): Promise<string> {
  try {
    return await resolvePlanFile(root, path);
  } catch (error) {
    if (error instanceof PlanFileError) throw invalid(`${step}: ${error.message} Correct the plan.`);
    throw error;
  }
}

/** As far as it would be taken for something else; the rest git itself checks. */
function requireTagName(tag: string, step: string): string {
  if (!tag.startsWith('-') && /^[^\s~^:?*[\\]+$/.test(tag)) return tag;
  throw invalid(
    `${step}: "${tag}" cannot name a tag; expected no leading "-", no space and none of ~ ^ : ? * [ \\.`,
  );
}

function requireInside(path: string, step: string): string {
  const clean = normalize(path);
  if (!isAbsolute(clean) && clean !== '..' && !clean.startsWith(`..${sep}`)) return clean;
  throw invalid(`${step}: ${path} leads out of the step's folder. Name what lies below it.`);
}

/** Made by this step of this rollout. */
export async function isOurs({ tree, marks }: GitWork, { object }: TagAt): Promise<boolean> {
  const lines = (await tree.tagMessage(object))?.split('\n') ?? [];
  return marks.every((mark) => lines.includes(mark));
}

/** As `isOurs`, for a tag of the remote that may not be here yet. */
export async function isOursAtRemote(work: GitWork, tag: string, there: TagAt): Promise<boolean> {
  if ((await work.tree.tagMessage(there.object)) === null) await work.tree.fetchObjects([`refs/tags/${tag}`]);
  return isOurs(work, there);
}

export function short(commit: string): string {
  return commit.slice(0, 8);
}
