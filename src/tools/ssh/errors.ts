/** What OpenSSH's words mean for a rollout: is it worth repeating, and what would mend it. */
import { invalid } from '../../platform/failures.js';
import type { SshLogin } from './login.js';

const LONGEST_QUOTE = 200;

interface Meaning {
  pattern: RegExp;
  why: string;
  fix: string;
}

/** The first that fits counts: a changed host key is also a failed verification. */
const PERMANENT: Meaning[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    why: 'its host key is not the one that the worker knows',
    fix: 'Find out why before anything else. If the host was set up anew, remove the old key (ssh-keygen -R HOST) and add the new one to known_hosts of the worker, after comparing fingerprints',
  },
  {
    pattern: /^Host key verification failed|^No \S+ host key is known for /m,
    why: 'the worker does not know its host key',
    fix: "Add it to known_hosts of the worker's user, after comparing its fingerprint (ssh-keyscan HOST)",
  },
  {
    pattern: /Permission denied \(|Too many authentication failures/,
    why: "it refuses the login of the worker's user",
    fix: 'Check "user", the key (or SSH_AUTH_SOCK, for an agent) of the worker, and authorized_keys there. No password is ever asked for',
  },
  {
    pattern:
      /Bad owner or permissions on|Bad configuration option|Can't open user config file|terminating, \d+ bad configuration/,
    why: 'the SSH configuration of the worker cannot be used',
    fix: 'Mend the file that it names, or HEADGATE_SSH_CONFIG',
  },
  {
    pattern:
      /Could not resolve hostname .*: (Name or service not known|nodename nor servname|No address associated)/,
    why: 'there is no host of this name',
    fix: 'Check "host" and the worker\'s SSH configuration',
  },
  {
    pattern: /subsystem request failed/i,
    why: 'it offers no SFTP',
    fix: 'Give its sshd_config a line "Subsystem sftp internal-sftp"',
  },
  {
    pattern: /Received message too long/,
    why: 'its login prints something before SFTP begins',
    fix: 'Let the shell profile there print nothing where no terminal is (it spoils scp and rsync as well)',
  },
];

/** The failure to throw when there was no session, or it was lost. `way` is the program's own, for people. */
export function describeConnection(
  { host }: SshLogin,
  way: 'SFTP' | 'SSH',
  stderr: string,
  exitCode: number | null,
): Error {
  const meaning = PERMANENT.find(({ pattern }) => pattern.test(stderr));
  if (meaning) {
    return invalid(
      `${host}: ${meaning.why}. ${meaning.fix.replaceAll('HOST', host)}. (ssh: ${lastLine(stderr)})`,
    );
  }
  return new Error(`${host} cannot be reached by ${way} (exit ${exitCode}): ${lastLine(stderr)}`);
}

/** What it complained of last; what follows it is only that the connection is gone. */
export function lastLine(text: string): string {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^Connection closed\.?$/.test(line));
  const line = lines.at(-1) ?? 'nothing was said';
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}…` : line;
}
