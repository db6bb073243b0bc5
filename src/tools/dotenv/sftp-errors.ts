/** What a failed command of sftp means for a rollout: is it worth repeating, and what would mend it. */
import { invalid } from '../../platform/failures.js';
import { lastLine } from '../ssh/errors.js';

/** The failure to throw when a command failed: `what` is what was to be done. */
export function describeCommand(what: string, errors: string): Error {
  const said = lastLine(errors);
  if (/Permission denied/.test(errors)) {
    return invalid(
      `${what}: the user who logs in may not. Give it the right to, or log in as the file's owner. (sftp: ${said})`,
    );
  }
  if (/not a regular file|Is a directory/i.test(errors)) {
    return invalid(`${what}: it is no regular file. (sftp: ${said})`);
  }
  if (/\brename .*: (Failure|Operation unsupported)/.test(errors)) {
    return invalid(
      `${what}: the SFTP server there could not put one file in the place of another at once. It needs posix-rename@openssh.com, and the file may not be mounted by itself. (sftp: ${said})`,
    );
  }
  return new Error(`${what}. (sftp: ${said})`);
}
