/** The git checkout on the host: what stands there, what a ref leads to, and how another commit comes to stand there. */
import { invalid } from '../../../platform/failures.js';
import type { SshReply } from '../../../tools/ssh/index.js';
import { type Host, lastWords } from './host.js';
import { parseRecord, RECORD_NAME, type ReleaseRecord } from './record.js';

export interface CheckoutState {
  /** Commit that HEAD stands on, hex. */
  head: string;
  tags: string[];
  record?: ReleaseRecord;
  /** Tracked files that are not as committed, as `git status` shows them; the first twenty. */
  changed: string[];
}

/** What git says is read by us, it asks nobody, and looking writes nothing. */
const GIT_ENVIRONMENT = ['env', 'LC_ALL=C', 'GIT_TERMINAL_PROMPT=0', 'GIT_OPTIONAL_LOCKS=0'];
const REMOTE = 'origin';
const FETCH_MS = 5 * 60_000;

const LOOK = `
head=$(git rev-parse --verify 'HEAD^{commit}') || exit
folder=$(git rev-parse --absolute-git-dir) || exit
tags=$(git tag --points-at HEAD --sort=-version:refname) || exit
changed=$(git -c core.quotePath=off status --porcelain --untracked-files=no) || exit
printf 'head %s\\n' "$head"
if [ -n "$tags" ]; then printf '%s\\n' "$tags" | sed 's/^/tag /'; fi
if [ -e "$folder/${RECORD_NAME}" ]; then sed 's/^/record /' "$folder/${RECORD_NAME}"; fi
if [ -n "$changed" ]; then printf '%s\\n' "$changed" | sed -n '1,20s/^/changed /p'; fi`;

/** @throws ApplicationFailure `Invalid` when there is no checkout that git works in */
export async function readCheckout(host: Host): Promise<CheckoutState> {
  const reply = await host.ask([...GIT_ENVIRONMENT, 'sh', '-c', LOOK]);
  if (reply.exitCode !== 0) throw noCheckout(host, reply);
  const lines = reply.stdout.split('\n');
  const said = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const [head] = said('head');
  if (!head) throw noCheckout(host, reply);
  return {
    head,
    tags: said('tag'),
    record: parseRecord(host.name, said('record')[0]),
    changed: said('changed').map((line) => line.trim()),
  };
}

function noCheckout(host: Host, reply: SshReply) {
  return invalid(
    `${host.name}: directory is no git checkout that the user who logs in can work in: ${lastWords(reply)}. Clone the repository there, or correct "directory" and "user".`,
  );
}

export interface Wanted {
  commit: string;
  /** Full name at the remote; undefined for a commit that was named itself. */
  ref?: string;
}

/** What `name` leads to: a tag of the remote, else a branch of it, else the commit that it is. Fetches nothing. */
export async function resolveRef(host: Host, name: string): Promise<Wanted | undefined> {
  if (!/^(?!-)(?!.*(\.\.|@\{|\/\/|\.lock$))[^\s~^:?*[\\\p{Cc}]+$/u.test(name)) {
    throw invalid(`"${name}" can be no tag, branch or commit of git. Correct "ref", or the plan's version.`);
  }
  const names = [`refs/tags/${name}`, `refs/tags/${name}^{}`, `refs/heads/${name}`];
  const git = [...GIT_ENVIRONMENT, 'git', 'ls-remote', REMOTE, ...names];
  const reply = await host.ask(git, { timeoutMs: FETCH_MS });
  if (reply.exitCode !== 0) throw unreachable(host, reply);
  const found = new Map(
    reply.stdout.split('\n').map((line) => {
      const [commit = '', ref = ''] = line.split('\t');
      return [ref, commit] as const;
    }),
  );
  const [tag = '', peeled = '', branch = ''] = names;
  const tagged = found.get(peeled) ?? found.get(tag);
  if (tagged !== undefined) return { commit: tagged, ref: tag };
  const head = found.get(branch);
  if (head !== undefined) return { commit: head, ref: branch };
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(name) ? { commit: name } : undefined;
}

async function isHere(host: Host, commit: string): Promise<boolean> {
  const git = [...GIT_ENVIRONMENT, 'git', 'cat-file', '-e', `${commit}^{commit}`];
  return (await host.ask(git)).exitCode === 0;
}

function unreachable(host: Host, reply: SshReply): Error {
  const said = lastWords(reply);
  const why = `${host.name}: the remote "${REMOTE}" of the checkout does not answer: ${said}`;
  if (/does not appear to be a git repository|not found|[Aa]uthentication failed|could not read/.test(said)) {
    return invalid(
      `${why}. Check git remote -v there, and what the user who logs in reaches it with: a deploy key, or an agent that your SSH configuration forwards.`,
    );
  }
  return new Error(why);
}

/** All tags and branches; a tag that is here already is never moved. */
async function fetchAll(host: Host, ref: string | undefined): Promise<SshReply> {
  const git = ['git', 'fetch', '--quiet', '--tags', REMOTE, ...(ref === undefined ? [] : [ref])];
  return host.ask([...GIT_ENVIRONMENT, ...git], { timeoutMs: FETCH_MS });
}

/** So that the commit can be checked out. @throws Error when the remote does not give it */
export async function fetchCommit(host: Host, { commit, ref }: Wanted): Promise<void> {
  const reply = await fetchAll(host, ref);
  if (await isHere(host, commit)) return;
  throw reply.exitCode === 0
    ? new Error(`${host.name}: ${commit} was fetched and is not there; is the remote being changed just now?`)
    : unreachable(host, reply);
}

/** An earlier attempt that nobody waits for any more may still be at it. */
const CHECKOUT = `
lock=$(git rev-parse --git-path index.lock) || exit
tries=0
while [ -e "$lock" ] && [ "$tries" -lt 20 ]; do sleep 1; tries=$((tries + 1)); done
git checkout --quiet --detach "$1" && git ls-files --stage -- :/.gitmodules`;

/**
 * Moves HEAD and the files, never over what somebody has changed there: git refuses that.
 * @throws ApplicationFailure `Invalid` when files are in the way, a plain Error when it may be tried again
 */
export async function checkOut(host: Host, commit: string): Promise<void> {
  const argv = [...GIT_ENVIRONMENT, 'sh', '-c', CHECKOUT, 'headgate', commit];
  const reply = await host.ask(argv, { unbroken: true, timeoutMs: FETCH_MS });
  if (reply.exitCode !== 0) throw cannotCheckOut(host, commit, reply);
  const hasSubmodules = reply.stdout.trim() !== '';
  if (!hasSubmodules) return;
  const update = ['git', 'submodule', '--quiet', 'update', '--init', '--recursive'];
  await host.demand('git submodule update', [...GIT_ENVIRONMENT, ...update], { timeoutMs: FETCH_MS });
}

function cannotCheckOut(host: Host, commit: string, reply: SshReply): Error {
  const said = lastWords(reply);
  if (/would be overwritten|Please commit your changes|Please move or remove them/.test(reply.stdout)) {
    return invalid(
      `${host.name}: ${commit.slice(0, 12)} cannot be checked out over files that were changed there: ${said}. Commit, move or remove them; nothing is thrown away for you.`,
    );
  }
  const lock = /Unable to create '([^']+\.lock)': File exists/.exec(reply.stdout)?.[1];
  if (lock) {
    return new Error(
      `${host.name}: ${lock} is there: another git is at work, or died there. If none runs, remove it: rm ${lock}`,
    );
  }
  return new Error(`${host.name}: git checkout --detach ${commit} ended with ${reply.exitCode}: ${said}`);
}
