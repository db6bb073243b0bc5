/** The host of one call: its commands run in the target's directory, and their failures say where and how to mend it. */
import { posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { invalid } from '../../../platform/failures.js';
import type { Ssh, SshReply, SshRunOptions } from '../../../tools/ssh/index.js';
import type { TargetCall } from '../target.js';
import type { Config } from './schema.js';

export type RunOptions = Partial<Omit<SshRunOptions, 'signal' | 'directory'>>;

export interface Host {
  name: string;
  /** How it ended is the caller's to judge; a program that is not there is a failure. */
  ask(argv: readonly string[], options?: RunOptions): Promise<SshReply>;
  /** @param what names it for people @throws Error that may be repeated, when it ends with anything but 0 */
  demand(what: string, argv: readonly string[], options?: RunOptions): Promise<SshReply>;
  sleep(ms: number): Promise<void>;
}

const SHORT_MS = 60_000;
const LONGEST_SAID = 600;

export function createHost(ssh: Ssh, { config, signal }: TargetCall<Config>): Host {
  const { host, user, port, directory } = config;
  if (!posix.isAbsolute(directory)) {
    throw invalid(`${host}: "${directory}" is no absolute path. Write directory from the root: /app/shop.`);
  }
  const ask: Host['ask'] = async (argv, options) => {
    const reply = await ssh.run({ host, user, port }, argv, {
      timeoutMs: SHORT_MS,
      ...options,
      signal,
      directory,
    });
    if (reply.exitCode === 127) throw missingProgram(host, argv[0] ?? '', reply);
    return reply;
  };
  return {
    name: host,
    ask,
    async demand(what, argv, options) {
      const reply = await ask(argv, options);
      if (reply.exitCode !== 0)
        throw new Error(`${host}: ${what} ended with ${reply.exitCode}: ${lastWords(reply)}`);
      return reply;
    },
    sleep: async (ms) => {
      await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
  };
}

function missingProgram(host: string, program: string, reply: SshReply) {
  return invalid(
    `${host}: a program is missing there for a login without a terminal: ${lastWords(reply)}. Install it, or make ${program} found: a link in /usr/local/bin, or PATH set at the top of ~/.bashrc, before it returns.`,
  );
}

/** The end of what was said, on one line. */
export function lastWords({ stderr, stdout }: Pick<SshReply, 'stderr' | 'stdout'>): string {
  const lines = (stderr.trim() || stdout.trim() || 'it said nothing').split(/\r?\n/);
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-6)
    .join(' / ')
    .slice(-LONGEST_SAID);
}
