/**
 * How every program of OpenSSH logs in for Headgate: with the SSH configuration, the agent and the known hosts of the
 * worker's user. It never asks, and never takes a host key that is not known, whatever the configuration says.
 */
import type { runChild } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';

export interface SshLogin {
  /** A name, an address, or an alias of the SSH configuration. */
  host: string;
  user?: string;
  port?: number;
}

export interface SshDeps {
  runChild: typeof runChild;
  /** `SSH_AUTH_SOCK` is handed on; `HEADGATE_SSH_CONFIG` names a configuration to use instead of `~/.ssh/config`. */
  env: NodeJS.ProcessEnv;
}

const CONNECT_TIMEOUT_S = 10;
/** A host that is gone is noticed after so much silence, three times over. */
const ALIVE_INTERVAL_S = 15;

/** Options that `ssh` and `sftp` share. */
export function loginOptions({ HEADGATE_SSH_CONFIG: config }: NodeJS.ProcessEnv): string[] {
  return [
    ...(config ? ['-F', config] : []),
    '-oBatchMode=yes',
    '-oStrictHostKeyChecking=yes',
    `-oConnectTimeout=${CONNECT_TIMEOUT_S}`,
    `-oServerAliveInterval=${ALIVE_INTERVAL_S}`,
  ];
}

/** What the program sees of the worker's environment. */
export function loginEnvironment({ SSH_AUTH_SOCK: agent }: NodeJS.ProcessEnv): Record<string, string> {
  return agent ? { SSH_AUTH_SOCK: agent } : {};
}

/**
 * `user@host`; `addressOf` is how the program wants an address written.
 * @throws ApplicationFailure `Invalid` for what could be taken for an option or a path: the plan is not the worker's
 */
export function destinationOf(
  { host, user }: SshLogin,
  addressOf: (host: string) => string = (it) => it,
): string {
  if (!/^(?!-)[\w.:%-]+$/.test(host)) {
    throw invalid(
      `"${host}" is no host name, address or alias. Write "host" alone; "user" and "port" are keys of their own.`,
    );
  }
  if (user !== undefined && !/^(?!-)[\w.@$+-]+$/.test(user)) throw invalid(`"${user}" is no user name.`);
  return user === undefined ? addressOf(host) : `${user}@${addressOf(host)}`;
}
