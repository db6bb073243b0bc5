/** One call of git: a list of arguments, an environment of named variables, and errors that tell how to mend it. */
import type { ApplicationFailure } from '@temporalio/common';
import { ChildStartError, runChild } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';

export interface GitReply {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface GitCallOptions {
  env?: Record<string, string>;
  /** Exit codes besides 0 that are an answer and no failure. */
  answers?: number[];
  timeoutMs?: number;
}

/** @throws Error that may be repeated; ApplicationFailure `Invalid` where repeating does not help */
export type CallGit = (args: string[], options?: GitCallOptions) => Promise<GitReply>;

/** How the worker reaches remotes, signs and names itself. Nothing that would move git to another repository. */
const PASSED_ON = [
  'HOME',
  'XDG_CONFIG_HOME',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'GIT_COMMITTER_NAME',
  'GIT_COMMITTER_EMAIL',
  'GIT_SSH',
  'GIT_SSH_COMMAND',
  'GIT_SSH_VARIANT',
  'SSH_AUTH_SOCK',
  'GIT_ASKPASS',
  'SSH_ASKPASS',
  'GNUPGHOME',
  'GIT_SSL_CAINFO',
  'SSL_CERT_FILE',
  'HTTPS_PROXY',
  'https_proxy',
  'http_proxy',
  'ALL_PROXY',
  'NO_PROXY',
  'no_proxy',
] as const;

/**
 * On top of every configuration: `ext::` would run what a plan names as its remote, and a repository that is
 * tidied up in the background goes on when the worker has ended.
 */
const CONFIGURED = [
  ['protocol.ext.allow', 'never'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
] as const;

const LARGEST_OUTPUT_BYTES = 16 * 1024 * 1024;
const LONGEST_SAID = 600;
/** Of what a remote says, before it is looked through: a line of megabytes would hold the worker for hours. */
const LONGEST_READ = 8 * 1024;

export function createCallGit(env: NodeJS.ProcessEnv, directory: string, signal: AbortSignal): CallGit {
  const common = gitEnvironment(env);
  return async (args, { env: extra, answers = [], timeoutMs } = {}) => {
    const reply = await runGit({
      file: 'git',
      args: ['-C', directory, ...args],
      env: { ...common, ...extra },
      signal,
      timeoutMs,
      outputLimitBytes: LARGEST_OUTPUT_BYTES,
    });
    const verb = `git ${args.find((arg) => !arg.startsWith('-'))} in ${directory}`;
    if (reply.timedOut) throw new Error(`${verb} was not done after ${(timeoutMs ?? 0) / 1000} s.`);
    if (reply.exitCode === null) throw new Error(`${verb} was ended by ${reply.signal}.`);
    const { exitCode, stdout, stderr } = reply;
    if (exitCode === 0 || answers.includes(exitCode)) return { exitCode, stdout, stderr };
    throw explainFailure(verb, { exitCode, stdout, stderr });
  };
}

async function runGit(options: Parameters<typeof runChild>[0]) {
  try {
    return await runChild(options);
  } catch (error) {
    if (!(error instanceof ChildStartError) || error.code === 'EGUARDIAN') throw error;
    throw invalid(`${error.message} Install git on the worker; only git steps and sources of plans need it.`);
  }
}

function gitEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const passed = PASSED_ON.flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passed),
    // What git says is read by us; what it writes keeps the worker's character set.
    LC_MESSAGES: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // Looking at a working tree must not write to its index.
    GIT_OPTIONAL_LOCKS: '0',
    ...configuration(env),
  };
}

/** Ours behind those that the worker's own environment gives. */
function configuration(env: NodeJS.ProcessEnv): Record<string, string> {
  const count = Number(env.GIT_CONFIG_COUNT ?? 0) || 0;
  const theirs = Array.from({ length: count }, (_unused, index) => [
    env[`GIT_CONFIG_KEY_${index}`] ?? '',
    env[`GIT_CONFIG_VALUE_${index}`] ?? '',
  ]);
  const all = [...theirs, ...CONFIGURED];
  const entries = all.flatMap(([key = '', value = ''], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { ...Object.fromEntries(entries), GIT_CONFIG_COUNT: String(all.length) };
}

/** No other attempt will reach a remote that is not there or does not let us in. */
export const CLOSED_REMOTE =
  /does not appear to be a git repository|repository .*not found|authentication failed|could not read (username|password)|permission denied \(|permission to .* denied|host key verification failed|terminal prompts disabled|transport '.*' not allowed|invalid credentials/i;

/** What a reply that is no answer means. `verb` says which git it was, for people. */
export function explainFailure(verb: string, reply: GitReply): Error | ApplicationFailure {
  const said = lastWords(reply);
  const lock = /Unable to create '([^']+\.lock)': File exists/.exec(reply.stderr)?.[1];
  if (lock) {
    return new Error(
      `${verb}: ${lock} is there: another git is at work in this repository, or died there. If none runs, remove it: rm ${lock}`,
    );
  }
  if (CLOSED_REMOTE.test(reply.stderr)) {
    return invalid(
      `${verb}: the remote cannot be reached: ${said}. Check its address (git remote -v) and what the worker logs in with (SSH_AUTH_SOCK, GIT_SSH_COMMAND, a credential helper).`,
    );
  }
  return new Error(`${verb} ended with ${reply.exitCode}: ${said}`);
}

/** The newest lines that git, a hook or the remote said, on one line, without credentials. */
export function lastWords({ stderr, stdout }: Pick<GitReply, 'stderr' | 'stdout'>): string {
  const text = stderr.trim() || stdout.trim() || 'it said nothing';
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('hint:'));
  return hideCredentials(lines.slice(-6).join(' / ').slice(-LONGEST_READ)).slice(-LONGEST_SAID);
}

/** Addresses without user and password; the bare user of an SSH address is none of them. */
export function hideCredentials(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]*):\/\/([^\s/]+)@/gi, (whole, scheme: string, user: string) =>
    /ssh$/i.test(scheme) && !user.includes(':') ? whole : `${scheme}://***@`,
  );
}
