/** The docker command line against the swarm manager that the worker's own Docker settings lead to. */
import type { ApplicationFailure } from '@temporalio/common';
import { ChildStartError, type runChild } from '../../../platform/children.js';
import { invalid } from '../../../platform/failures.js';

export interface DockerDeps {
  runChild: typeof runChild;
  /** The worker's: DOCKER_HOST, DOCKER_CONTEXT and the like are handed on. */
  env: NodeJS.ProcessEnv;
}

export interface DockerOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  /** What of its failures is an answer. */
  answers?: RegExp;
  outputLimitBytes?: number;
}

export interface DockerReply {
  ok: boolean;
  stdout: string;
  stderr: string;
}

/** @throws ApplicationFailure `Invalid` where repeating does not help, a plain Error where it may */
export type CallDocker = (args: string[], options?: DockerOptions) => Promise<DockerReply>;

const PASSED_ON = [
  ...['DOCKER_HOST', 'DOCKER_CONTEXT', 'DOCKER_CONFIG', 'DOCKER_CERT_PATH', 'DOCKER_API_VERSION'],
  ...['DOCKER_TLS', 'DOCKER_TLS_VERIFY', 'SSH_AUTH_SOCK'],
];
const CALL_MS = 2 * 60_000;
const LIST_BYTES = 8 * 1024 * 1024;
const LONGEST_SAID = 600;

export function createCallDocker(deps: DockerDeps, signal: AbortSignal): CallDocker {
  const passed = PASSED_ON.flatMap((name) => {
    const value = deps.env[name];
    return value ? [[name, value] as const] : [];
  });
  return async (args, { env, cwd, input, answers, outputLimitBytes = LIST_BYTES } = {}) => {
    const verb = `docker ${args.slice(0, 2).join(' ')}`;
    const reply = await start(deps, {
      file: 'docker',
      args,
      cwd,
      env: { ...Object.fromEntries(passed), ...env },
      ...(input === undefined ? {} : { stdin: { text: input } }),
      signal,
      timeoutMs: CALL_MS,
      outputLimitBytes,
    });
    const { exitCode, stdout, stderr, timedOut } = reply;
    if (timedOut) throw new Error(`${verb} was not done after ${CALL_MS / 1000} s.`);
    if (exitCode === 0 || answers?.test(stderr)) return { ok: exitCode === 0, stdout, stderr };
    throw explain(verb, stderr.trim() || stdout.trim() || `it ended with ${exitCode}`);
  };
}

async function start({ runChild: run }: DockerDeps, options: Parameters<typeof runChild>[0]) {
  try {
    return await run(options);
  } catch (error) {
    if (!(error instanceof ChildStartError) || error.code === 'EGUARDIAN') throw error;
    throw invalid(
      `${error.message} Install the docker command line on the worker; only dockerStack targets need it.`,
    );
  }
}

const PERMANENT: { pattern: RegExp; fix: string }[] = [
  {
    pattern: /not a swarm manager|not part of a swarm/i,
    fix: 'Let DOCKER_HOST or DOCKER_CONTEXT of the worker lead to a manager of the swarm.',
  },
  {
    pattern:
      /permission denied while trying to connect|client certificate|x509:|context .* (not found|does not exist)/i,
    fix: "Check DOCKER_HOST, DOCKER_CONTEXT and DOCKER_CERT_PATH of the worker, and whether the worker's user may use them.",
  },
  {
    pattern: /only updates to Labels are allowed/i,
    fix: 'A config or secret of a stack cannot change its content: give it a new name in the stack file.',
  },
  {
    pattern:
      /Additional property|unsupported Compose|invalid reference format|invalid interpolation|required variable|undefined (network|secret|config|volume)|yaml:|no such file|must be a (string|mapping|list|number)/i,
    fix: 'Correct the stack file, or the variables that it takes.',
  },
];

function explain(verb: string, said: string): Error | ApplicationFailure {
  const lines = said.split('\n').map((line) => line.trim());
  const quote = lines
    .filter((line) => line !== '')
    .slice(-4)
    .join(' / ')
    .slice(-LONGEST_SAID);
  const known = PERMANENT.find(({ pattern }) => pattern.test(said));
  return known ? invalid(`${verb}: ${quote}. ${known.fix}`) : new Error(`${verb}: ${quote}`);
}
