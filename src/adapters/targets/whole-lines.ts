import { LONGEST_LOG_BYTES } from './target.js';

/** A line that was cut could hold half of a secret, which nobody would recognise. */
export function wholeLines(log: string, limitBytes = LONGEST_LOG_BYTES): string {
  const isCut = Buffer.byteLength(log) >= limitBytes;
  return isCut ? log.replace(/^[^\n]*\n?/, '') : log;
}
