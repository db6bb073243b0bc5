/** What changes a repository or its remote. Every ref moves by compare-and-set; every write may be repeated. */
import { lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { invalid } from '../../platform/failures.js';
import { type CallGit, explainFailure, lastWords } from './call.js';
import { type PushOutcome, parsePush } from './push.js';

/** What a commit of some paths would be. */
export interface Draft {
  /** Its tree's id. */
  tree: string;
  /** What differs from the commit below it, relative to the folder that git works in. */
  files: string[];
  /** Paths that are neither in the working tree nor in the commit below. */
  missing: string[];
}

export interface CommitOrder {
  paths: string[];
  /** The commit that it has to stand on. */
  parent: string;
  message: string;
  /** The tree that it has to have, if that is known. */
  tree?: string;
}

/** `changed`: the paths are not what `tree` says; `nothing`: they are as in the parent. */
export type CommitOutcome = { status: 'made'; tree: string } | { status: 'changed' } | { status: 'nothing' };

export interface GitWrites {
  /** Writes nothing into the repository. @throws ApplicationFailure `Invalid` for a path that git ignores */
  draft(paths: string[], parent: string): Promise<Draft>;
  /**
   * Commits the paths on HEAD's branch through an index of its own: what else is staged stays staged. Runs the
   * repository's hooks. Whether they, or somebody at the same time, made another commit of it is for the caller to see.
   * @throws ApplicationFailure `Invalid` when a hook refuses
   */
  commit(order: CommitOrder): Promise<CommitOutcome>;
  /** Makes the index agree with HEAD on these paths, and on nothing else. The files stay as they are. */
  unstage(paths: string[]): Promise<void>;
  /** Moves a branch of this repository, if it still is at `from`. @returns false when it is not */
  moveBranch(branch: string, from: string, to: string): Promise<boolean>;
  /** Makes an annotated tag here. @returns the id of its object */
  createTag(tag: string, commit: string, message: string): Promise<string>;
  /** Removes a tag of this repository, if it still is this object. */
  dropTag(tag: string, object: string): Promise<void>;
  /** All of `refspecs` or, where the remote can do that, none; never by force. */
  push(refspecs: string[]): Promise<PushOutcome>;
  /** Removes a tag at the remote, if it still is this object. */
  dropRemoteTag(tag: string, object: string): Promise<PushOutcome>;
  /**
   * A commit on `tip` that takes `commit` back, made outside of the working tree and not on any branch.
   * @returns `nothing` when the tip no longer holds what the commit changed
   */
  revert(commit: string, tip: string, message: string): Promise<{ commit: string } | 'conflict' | 'nothing'>;
  /** Takes HEAD's branch and the working tree forward to `commit`. @returns why not, when changed files are in the way */
  follow(commit: string): Promise<string | undefined>;
}

interface WritePlace {
  directory: string;
  remote: string;
  gitDirectory: string;
  objects: string;
}

const PUSH_TIMEOUT_MS = 10 * 60_000;

export function createGitWrites(
  call: CallGit,
  { directory, remote, gitDirectory, objects }: WritePlace,
): GitWrites {
  const push = async (options: string[], refspecs: string[]) => {
    const args = ['push', '--porcelain', '--no-follow-tags', ...options, '--end-of-options', remote];
    return parsePush(await call([...args, ...refspecs], { answers: [1], timeoutMs: PUSH_TIMEOUT_MS }));
  };
  return {
    draft: (paths, parent) =>
      withScratch((folder) =>
        stage(
          call,
          { directory, paths, parent },
          {
            GIT_INDEX_FILE: join(folder, 'index'),
            GIT_OBJECT_DIRECTORY: folder,
            GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(objects),
          },
        ),
      ),
    commit: (order) => withScratch((folder) => commit(call, folder, { ...order, directory })),
    async unstage(paths) {
      await call(['--literal-pathspecs', 'reset', '--quiet', '--', ...paths]);
    },
    async moveBranch(branch, from, to) {
      const args = ['update-ref', '-m', 'headgate', `refs/heads/${branch}`, to, from];
      const reply = await call(args, { answers: [128] });
      if (reply.exitCode === 0) return true;
      if (/but expected/.test(reply.stderr)) return false;
      throw explainFailure(`git update-ref in ${directory}`, reply);
    },
    createTag: (tag, target, message) =>
      withScratch(async (folder) => {
        const file = await writeMessage(folder, message);
        const how = ['--annotate', '--cleanup=whitespace', `--file=${file}`];
        await call(['tag', ...how, '--end-of-options', tag, target], { env: await fallbackIdentity(call) });
        return (await call(['rev-parse', '--verify', `refs/tags/${tag}`])).stdout.trim();
      }),
    async dropTag(tag, object) {
      await call(['update-ref', '-d', `refs/tags/${tag}`, object]);
    },
    async push(refspecs) {
      const whole = await push(['--atomic'], refspecs).catch((error: unknown) => {
        if (error instanceof Error && /not support --atomic/.test(error.message)) return undefined;
        throw error;
      });
      // Without it the branch goes first: a tag must not point at a commit that the branch then refuses.
      for (const refspec of whole ? [] : refspecs) {
        const outcome = await push([], [refspec]);
        if (outcome.status !== 'done') return outcome;
      }
      return whole ?? { status: 'done', oneByOne: true };
    },
    dropRemoteTag: (tag, object) =>
      push([`--force-with-lease=refs/tags/${tag}:${object}`], [`:refs/tags/${tag}`]),
    revert: (target, tip, message) =>
      withScratch((folder) => revert(call, { folder, gitDirectory }, { target, tip, message })),
    async follow(target) {
      const how = ['--ff-only', '--no-autostash', '--quiet'];
      const reply = await call(['merge', ...how, target], { answers: [1, 2, 128] });
      return reply.exitCode === 0 ? undefined : lastWords(reply);
    },
  };
}

/** Own index, messages, merges: what a killed worker leaves of it is in nobody's way. */
async function withScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-git-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeMessage(folder: string, message: string): Promise<string> {
  const file = join(folder, 'message');
  await writeFile(file, message);
  return file;
}

interface Staging {
  directory: string;
  paths: string[];
  parent: string;
}

/** Fills the index that `env` names: the parent's tree with the paths as they are in the working tree. */
async function stage(call: CallGit, staging: Staging, env: Record<string, string>): Promise<Draft> {
  const { parent } = staging;
  await call(['read-tree', parent], { env });
  const missing = await addPaths(call, staging, env);
  const { stdout: tree } = await call(['write-tree'], { env });
  const compare = ['diff-index', '--cached', '--name-only', '--no-renames', '--relative', '-z', parent, '--'];
  const { stdout: names } = await call(compare, { env });
  return { tree: tree.trim(), files: names.split('\0').filter((name) => name !== ''), missing };
}

/** @returns paths that are neither in the working tree nor in the index */
async function addPaths(
  call: CallGit,
  { directory, paths }: Omit<Staging, 'parent'>,
  env: Record<string, string>,
): Promise<string[]> {
  const missing: string[] = [];
  for (const path of paths) {
    if (await isThere(join(directory, path))) continue;
    const { stdout } = await call(['--literal-pathspecs', 'ls-files', '-z', '--', path], { env });
    if (stdout === '') missing.push(path);
  }
  const present = paths.filter((path) => !missing.includes(path));
  if (present.length === 0) return missing;
  const add = ['--literal-pathspecs', 'add', '--all', '--', ...present];
  const { exitCode, stdout, stderr } = await call(add, { env, answers: [1] });
  if (exitCode === 0) return missing;
  throw invalid(
    `The paths of this step cannot be committed: ${lastWords({ stdout, stderr })}. Correct paths in the plan; what .gitignore names is never committed.`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function commit(
  call: CallGit,
  folder: string,
  order: CommitOrder & { directory: string },
): Promise<CommitOutcome> {
  const index = { GIT_INDEX_FILE: join(folder, 'index') };
  const { tree, files } = await stage(call, order, index);
  if (order.tree !== undefined && tree !== order.tree) return { status: 'changed' };
  if (files.length === 0) return { status: 'nothing' };
  // The working tree's own index first: whoever finds it half way sees changes that are staged. The other way
  // round they would see the commit taken back, and their next one would do that.
  await addPaths(call, order, {});
  const file = await writeMessage(folder, order.message);
  const reply = await call(['commit', '--quiet', '--cleanup=whitespace', `--file=${file}`], {
    env: { ...index, ...(await fallbackIdentity(call)) },
    answers: [1],
  });
  if (reply.exitCode === 0) return { status: 'made', tree };
  throw invalid(`git or one of the repository's hooks refuses the commit: ${lastWords(reply)}`);
}

/**
 * `Headgate <headgate@localhost>` where neither the repository nor the worker's user tells both name and address:
 * git itself would guess, or refuse.
 */
async function fallbackIdentity(call: CallGit): Promise<Record<string, string>> {
  const roles = ['AUTHOR', 'COMMITTER'].map(async (role) => {
    const strictly = ['-c', 'user.useConfigOnly=true', 'var', `GIT_${role}_IDENT`];
    const { exitCode } = await call(strictly, { answers: [1, 128] });
    if (exitCode === 0) return {};
    return { [`GIT_${role}_NAME`]: 'Headgate', [`GIT_${role}_EMAIL`]: 'headgate@localhost' };
  });
  const [author, committer] = await Promise.all(roles);
  return { ...author, ...committer };
}

async function revert(
  call: CallGit,
  { folder, gitDirectory }: { folder: string; gitDirectory: string },
  { target, tip, message }: { target: string; tip: string; message: string },
): ReturnType<GitWrites['revert']> {
  const elsewhere = {
    GIT_DIR: gitDirectory,
    GIT_WORK_TREE: join(folder, 'tree'),
    GIT_INDEX_FILE: join(folder, 'index'),
  };
  await mkdir(elsewhere.GIT_WORK_TREE);
  await call(['read-tree', tip], { env: elsewhere });
  // The three-way merge that `git revert` makes: from the commit to the one before it, applied to the tip.
  const merge = ['merge-recursive', target, '--', tip, `${target}^`];
  const merged = await call(merge, { env: elsewhere, answers: [1] });
  if (merged.exitCode !== 0) return 'conflict';
  const tree = (await call(['write-tree'], { env: elsewhere })).stdout.trim();
  const before = await call(['rev-parse', '--verify', `${tip}^{tree}`]);
  if (tree === before.stdout.trim()) return 'nothing';
  const file = await writeMessage(folder, message);
  const signed = await call(['config', '--type=bool', '--get', 'commit.gpgSign'], { answers: [1] });
  const made = await call(
    ['commit-tree', tree, '-p', tip, '-F', file, ...(signed.stdout.trim() === 'true' ? ['-S'] : [])],
    { env: await fallbackIdentity(call) },
  );
  return { commit: made.stdout.trim() };
}
