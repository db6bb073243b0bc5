/** The one place where a text becomes a part of a line that a shell on a host reads. */
import { invalid } from '../../platform/failures.js';

/** Means itself to every POSIX shell. */
const PLAIN = /^[\w%+,./:@-]+$/;

/**
 * The words of `argv` as a POSIX shell reads them again, one each. Between single quotes nothing has a meaning but the
 * next single quote.
 * @throws ApplicationFailure `Invalid` for a NUL, which no argument can hold
 */
export function quoteForShell(argv: readonly string[]): string {
  return argv.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  if (word.includes('\0')) throw invalid('A NUL cannot stand in an argument. Remove it from the plan.');
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
