/**
 * Files of a plan from a repository: a ref is pinned to one commit, and a commit is checked out once per machine.
 *
 * `<home>/cache/sources/<hash of the address>/<commit>` appears by one rename, so that it is whole whenever it is
 * there, whoever was killed meanwhile, and whoever else fetched the same at the same time. It holds the files as they
 * are in the commit, without a repository and without what the machine's own git configuration would make of them.
 */
import { createHash } from 'node:crypto';
import { appendFile, mkdir, realpath, rename, rm, utimes } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import { checkGitUrl, isCommitId, isRefName, showSource } from '../../plan/git-url.js';
import type { PinnedSource, PlanSource } from '../../plan/resolved.js';
import { SourceError, type Sources } from '../../platform/sources.js';
import { type CallGit, CLOSED_REMOTE, createCallGit, type GitReply, lastWords } from './call.js';
import { partName, pruneCheckouts } from './source-cache.js';

export interface SourceDeps {
  /** How this machine logs in to repositories is taken from here. */
  env: NodeJS.ProcessEnv;
  /** Absolute. */
  home: string;
  /** As `Settings.allowedSources`; a client asks for whatever its person does. */
  allowed?: string[];
}

const LOOK_TIMEOUT_MS = 20_000;
const FETCH_TIMEOUT_MS = 10 * 60_000;

export function createSources({ env, home, allowed = [] }: SourceDeps): Sources {
  return new GitSources(env, join(home, 'cache', 'sources'), allowed);
}

class GitSources implements Sources {
  /** By the folder that appears. Who waits for one may go; it goes on for whoever comes next. */
  readonly #underway = new Map<string, Promise<void>>();

  constructor(
    private readonly env: NodeJS.ProcessEnv,
    private readonly root: string,
    private readonly allowed: string[],
  ) {}

  async pin(source: PlanSource, signal: AbortSignal): Promise<PinnedSource> {
    requireSound(source);
    if (isCommitId(source.ref)) return { ...source, commit: source.ref };
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    try {
      return { ...source, commit: await commitOf(createCallGit(this.env, this.root, signal), source) };
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async find(source: PinnedSource): Promise<string | undefined> {
    requireSound(source);
    requireAllowed(source, this.allowed);
    const checkout = this.#placeOf(source);
    const now = new Date();
    try {
      // What was used a moment ago is not pruned.
      await utimes(checkout, now, now);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
    return directoryIn(checkout, source);
  }

  async checkOut(source: PinnedSource, signal: AbortSignal): Promise<string> {
    const found = await this.find(source);
    if (found !== undefined) return found;
    const checkout = this.#placeOf(source);
    const underway = this.#underway.get(checkout) ?? this.#begin(source, checkout);
    await untilAborted(underway, signal);
    return directoryIn(checkout, source);
  }

  #begin(source: PinnedSource, checkout: string): Promise<void> {
    const fetching = this.#fetch(source, checkout).finally(() => this.#underway.delete(checkout));
    // Whoever waited for it may be gone when it fails.
    fetching.catch(() => undefined);
    this.#underway.set(checkout, fetching);
    return fetching;
  }

  async #fetch(source: PinnedSource, checkout: string): Promise<void> {
    const part = join(this.root, partName());
    const [repository, files] = [join(part, 'repository'), join(part, 'files')];
    try {
      for (const folder of [repository, files]) await mkdir(folder, { recursive: true, mode: 0o700 });
      const call = createCallGit(this.env, repository, new AbortController().signal);
      await call(['init', '--quiet', '--bare', '--template=']);
      await appendFile(join(repository, 'config'), AS_COMMITTED);
      await fetchCommit(call, source);
      await call(['checkout', '--quiet', '--force', '--detach', source.commit], {
        env: { GIT_DIR: '.', GIT_WORK_TREE: files, GIT_LFS_SKIP_SMUDGE: '1' },
        timeoutMs: FETCH_TIMEOUT_MS,
      });
      await mkdir(dirname(checkout), { recursive: true, mode: 0o700 });
      await appear(files, checkout);
    } finally {
      await rm(part, { recursive: true, force: true });
    }
    await pruneCheckouts(this.root);
  }

  #placeOf({ git, commit }: PinnedSource): string {
    const key = createHash('sha256').update(git).digest('hex').slice(0, 32);
    return join(this.root, key, commit);
  }
}

/** A worker takes nobody's word for what it hands to git and makes a path of. @throws SourceError */
function requireSound({ git, ref, ...rest }: PlanSource & { commit?: string }): void {
  const fault = checkGitUrl(git);
  if (fault) throw new SourceError('git', `The address of the source ${fault.why}.`, fault.fix);
  if (isRefName(ref) && (!('commit' in rest) || isCommitId(rest.commit ?? ''))) return;
  throw new SourceError(
    'ref',
    'The ref of the source, or the commit that it was pinned to, is no name that git knows.',
    'Write a branch, a tag or a whole commit id.',
  );
}

/** What is in a repository can run programs here, and whoever may start a rollout names it. @throws SourceError */
function requireAllowed({ git }: PlanSource, allowed: string[]): void {
  // Steps up, plain or encoded, would lead from an allowed address to another.
  const isPlain = !/(^|[/:])\.{1,2}(\/|$)|%|\\/.test(git);
  const isListed = allowed.some((entry) => (/[/:]$/.test(entry) ? git.startsWith(entry) : git === entry));
  if (allowed.length === 0 || (isPlain && isListed)) return;
  throw new SourceError(
    'git',
    `The worker takes no files from ${git}.`,
    'Add the address, or what it begins with up to a "/", to HEADGATE_ALLOWED_SOURCES of the worker and start it again.',
  );
}

/** Folder of the plan's files in a checkout. @throws SourceError when it is not there, or leads out by a link */
async function directoryIn(checkout: string, source: PinnedSource): Promise<string> {
  const { directory } = source;
  const root = await realpath(checkout);
  const place = await realpath(join(root, directory)).catch(() => undefined);
  const inside = place === undefined ? '..' : relative(root, place);
  if (place !== undefined && inside !== '..' && !inside.startsWith(`..${sep}`)) return place;
  throw new SourceError(
    'directory',
    `${showSource(source)} has no folder ${directory}.`,
    'Correct directory: it is relative to the top of the repository.',
  );
}

async function commitOf(call: CallGit, source: PlanSource): Promise<string> {
  const { git, ref } = source;
  const names = ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const wanted = names.flatMap((name) => [name, `${name}^{}`]);
  const reply = await ask(call, ['ls-remote', '--end-of-options', git, ...wanted], LOOK_TIMEOUT_MS);
  if (reply.exitCode !== 0) throw closed(`${git} cannot be read`, reply);
  const refs = new Map(
    reply.stdout.split('\n').map((line) => {
      const [id = '', name = ''] = line.split('\t');
      return [name, id];
    }),
  );
  const found = names.filter((name) => refs.has(name));
  const [only] = found;
  if (found.length > 1) {
    throw new SourceError(
      'ref',
      `${git} has a branch and a tag ${ref}.`,
      `Say which one is meant: ${found.join(' or ')}.`,
    );
  }
  if (only !== undefined) return refs.get(`${only}^{}`) ?? refs.get(only) ?? '';
  throw new SourceError(
    'ref',
    `${git} has no branch and no tag ${ref}.`,
    /^[0-9a-f]{7,63}$/.test(ref)
      ? `Write a commit as a whole: git rev-parse ${ref}`
      : `Push it, or correct ref: git ls-remote ${git}`,
  );
}

/** The files are those of the commit, whatever this machine's git is configured to make of them. */
const AS_COMMITTED = `[core]
\tautocrlf = false
\teol = lf
\thooksPath = /dev/null
[submodule]
\trecurse = false
`;

/** Servers that give only what a ref leads to: there everything is fetched, and looked through. */
const NOT_GIVEN = /unadvertised object|not our ref|couldn't find remote ref|no such remote ref/i;

async function fetchCommit(call: CallGit, source: PinnedSource): Promise<void> {
  const { git, commit, ref } = source;
  const how = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'];
  const alone = [...how, '--depth=1', '--end-of-options', git, commit];
  let reply = await ask(call, alone, FETCH_TIMEOUT_MS);
  if (reply.exitCode !== 0 && NOT_GIVEN.test(reply.stderr)) {
    const all = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
    reply = await ask(call, [...how, '--end-of-options', git, ...all], FETCH_TIMEOUT_MS);
  }
  if (reply.exitCode !== 0) {
    throw closed(`The files of ${showSource(source)} are not on this machine and cannot be fetched`, reply);
  }
  const args = ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`];
  const { stdout } = await call(args, { answers: [1, 128] });
  if (stdout.trim() === commit) return;
  throw new SourceError(
    'ref',
    `${git} has no commit ${commit}.`,
    ref === commit
      ? 'Push it, or correct ref.'
      : `${ref} led to it when the rollout was started, and was moved by force since: push the commit again, under any name, or start a new rollout.`,
  );
}

/** An answer of git, whatever it is. @throws SourceError that may pass, when there is none */
async function ask(call: CallGit, args: string[], timeoutMs: number): Promise<GitReply> {
  try {
    return await call(args, { timeoutMs, answers: [1, 128] });
  } catch (error) {
    if (error instanceof ApplicationFailure) {
      throw new SourceError('git', error.message, 'A plan with a source needs it on every machine.');
    }
    throw new SourceError('git', error instanceof Error ? error.message : String(error), LOG_IN, true);
  }
}

const LOG_IN =
  'Check the address, the network, and what this machine logs in with: SSH_AUTH_SOCK, GIT_SSH_COMMAND, a credential helper; nobody is asked for a password.';

function closed(what: string, reply: GitReply): SourceError {
  return new SourceError('git', `${what}: ${lastWords(reply)}.`, LOG_IN, !CLOSED_REMOTE.test(reply.stderr));
}

/** Somebody else may have been quicker; it is the same. */
async function appear(files: string, checkout: string): Promise<void> {
  try {
    await rename(files, checkout);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
}

/** @throws the signal's reason; what is waited for goes on */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
