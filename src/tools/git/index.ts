/**
 * git: one working tree and the remote that it is pushed to. Never by force, never past a hook.
 *
 * What is looked at is neither staged nor fetched into a ref; what is written is written by compare-and-set, so
 * that whoever works in the same tree meanwhile keeps what is theirs. Wants git 2.30 or newer.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { invalid } from '../../platform/failures.js';
import { type CallGit, createCallGit, hideCredentials } from './call.js';
import { createGitWrites, type GitWrites } from './writes.js';

export type { Draft } from './writes.js';

export interface GitDeps {
  /** The worker's: how it logs in to remotes and names itself is taken from here, nothing else. */
  env: NodeJS.ProcessEnv;
}

export interface GitPlace {
  /** Absolute; a working tree or a folder inside one. */
  directory: string;
  /** Name or address. */
  remote: string;
  signal: AbortSignal;
}

export interface TagAt {
  /** The tag object's id; the commit's for a lightweight tag. */
  object: string;
  commit: string;
}

export interface RemoteRefs {
  /** Commit of the branch; null when it is not there. */
  head: string | null;
  tag: TagAt | null;
}

export interface GitReads {
  /** The remote as a person may see it. */
  remote: string;
  directory: string;
  /** From the top of the working tree to `directory`: empty, or ending with a slash. */
  prefix: string;
  /** Null when HEAD is detached. */
  branch(): Promise<string | null>;
  /** Commit that a full ref, HEAD or an id leads to; null when it is not here. */
  commitAt(name: string): Promise<string | null>;
  /** `merge`, `rebase`, …: what somebody has begun in this tree and not ended. */
  underway(): string | undefined;
  readRemote(branch: string, tag: string | undefined): Promise<RemoteRefs>;
  localTag(tag: string): Promise<TagAt | null>;
  /** Null when it is no annotated tag, or not here. */
  tagMessage(object: string): Promise<string | null>;
  /** False also when one of the two is not here. */
  isAncestor(ancestor: string, commit: string): Promise<boolean>;
  /** Commits of `to` that `from` does not have. */
  countCommits(from: string | null, to: string): Promise<number>;
  /** The newest commit of `to` that `from` does not have and whose message holds all of these whole lines. */
  findCommit(lines: string[], to: string, from?: string | null): Promise<string | null>;
  readCommit(commit: string): Promise<{ tree: string; parent: string | null; subject: string }>;
  /** Files that are staged or changed, from the top of the tree; untracked ones are none of them. */
  changedFiles(): Promise<string[]>;
  /** `refs/heads/…`, `refs/tags/…` of the remote: objects only, no ref is moved here. */
  fetchObjects(refs: string[]): Promise<void>;
}

export type WorkTree = GitReads & GitWrites;

export interface Git {
  /** @throws ApplicationFailure `Invalid` when there is no working tree, or git will not work in it */
  open(place: GitPlace): Promise<WorkTree>;
}

const LOOK_TIMEOUT_MS = 20_000;
const FETCH_TIMEOUT_MS = 5 * 60_000;

export function createGit({ env }: GitDeps): Git {
  return {
    async open({ directory, remote, signal }) {
      if (remote.startsWith('-')) throw invalid(`"${remote}" cannot name a remote: it begins with "-".`);
      const call = createCallGit(env, directory, signal);
      const { exitCode, stdout, stderr } = await call(
        ['rev-parse', '--absolute-git-dir', '--git-path', 'objects', '--show-prefix', '--show-toplevel'],
        { answers: [128] },
      );
      const [gitDirectory = '', objects = '', prefix = ''] = stdout.split('\n');
      if (exitCode !== 0) {
        const why = hideCredentials(stderr.trim().split('\n').join(' '));
        throw invalid(`${directory} is no working tree that git works in: ${why}`);
      }
      const place = { directory, remote, gitDirectory, objects: resolve(directory, objects), prefix };
      return { ...createReads(call, place), ...createGitWrites(call, place) };
    },
  };
}

interface OpenPlace {
  directory: string;
  remote: string;
  gitDirectory: string;
  prefix: string;
}

function createReads(call: CallGit, { directory, remote, gitDirectory, prefix }: OpenPlace): GitReads {
  const commitAt: GitReads['commitAt'] = async (name) => {
    const args = ['rev-parse', '--verify', '--quiet', `${name}^{commit}`];
    const { exitCode, stdout } = await call(args, { answers: [1, 128] });
    return exitCode === 0 ? stdout.trim() : null;
  };
  return {
    directory,
    remote: hideCredentials(remote),
    prefix,
    commitAt,
    async branch() {
      const { exitCode, stdout } = await call(['symbolic-ref', '--quiet', 'HEAD'], { answers: [1] });
      return exitCode === 0 ? stdout.trim().replace(/^refs\/heads\//, '') : null;
    },
    underway: () => UNDERWAY.find(([file]) => existsSync(join(gitDirectory, file)))?.[1],
    readRemote: (branch, tag) => readRemote(call, remote, branch, tag),
    async localTag(tag) {
      const ref = `refs/tags/${tag}`;
      const { exitCode, stdout } = await call(['rev-parse', '--verify', '--quiet', ref], {
        answers: [1, 128],
      });
      const commit = exitCode === 0 ? await commitAt(ref) : null;
      return commit === null ? null : { object: stdout.trim(), commit };
    },
    async tagMessage(object) {
      const { exitCode, stdout } = await call(['cat-file', 'tag', object], { answers: [128] });
      return exitCode === 0 ? stdout.slice(stdout.indexOf('\n\n') + 2) : null;
    },
    async isAncestor(ancestor, commit) {
      const args = ['merge-base', '--is-ancestor', ancestor, commit];
      return (await call(args, { answers: [1, 128] })).exitCode === 0;
    },
    async countCommits(from, to) {
      const { stdout } = await call(['rev-list', '--count', to, ...without(from)]);
      return Number(stdout);
    },
    async findCommit(lines, to, from) {
      const grep = lines.map((line) => `--grep=^${escapeForRegExp(line)}$`);
      const how = ['--max-count=1', '--extended-regexp', '--all-match'];
      const { stdout } = await call(['rev-list', ...how, ...grep, to, ...without(from), '--']);
      return stdout.trim() || null;
    },
    async readCommit(commit) {
      const { stdout } = await call(['cat-file', 'commit', commit]);
      const head = stdout.slice(0, stdout.indexOf('\n\n'));
      return {
        tree: /^tree (\S+)/.exec(head)?.[1] ?? '',
        parent: /^parent (\S+)/m.exec(head)?.[1] ?? null,
        subject: stdout.slice(head.length + 2).split('\n', 1)[0] ?? '',
      };
    },
    async changedFiles() {
      const { stdout } = await call(['status', '--porcelain', '-z', '--untracked-files=no', '--no-renames']);
      return stdout.split('\0').flatMap((entry) => (entry === '' ? [] : [entry.slice(3)]));
    },
    async fetchObjects(refs) {
      const quietly = ['--quiet', '--no-tags', '--refmap=', '--no-write-fetch-head'];
      await call(['fetch', ...quietly, '--end-of-options', remote, ...refs], { timeoutMs: FETCH_TIMEOUT_MS });
    },
  };
}

const UNDERWAY = [
  ['MERGE_HEAD', 'merge'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply', 'rebase'],
] as const;

function without(from: string | null | undefined): string[] {
  return from ? [`^${from}`] : [];
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

async function readRemote(
  call: CallGit,
  remote: string,
  branch: string,
  tag: string | undefined,
): Promise<RemoteRefs> {
  const head = `refs/heads/${branch}`;
  const [tagRef, peeled] = tag === undefined ? [] : [`refs/tags/${tag}`, `refs/tags/${tag}^{}`];
  const wanted = [head, tagRef, peeled].filter((ref) => ref !== undefined);
  const { stdout } = await call(['ls-remote', '--end-of-options', remote, ...wanted], {
    timeoutMs: LOOK_TIMEOUT_MS,
  });
  // A ref is listed too when only its end is what was asked for.
  const refs = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const [id = '', ref = ''] = line.split('\t');
    refs.set(ref, id);
  }
  const object = tagRef && refs.get(tagRef);
  return {
    head: refs.get(head) ?? null,
    tag: object ? { object, commit: refs.get(peeled ?? '') ?? object } : null,
  };
}
