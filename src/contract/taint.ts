/** What taints a verdict, in one line: the same in the details, at the command line, in notices and in the report. Pure. */
import type { Taint } from './progress.js';

/** `secret shop/config is version 9f8e7d6c, expected version 1a2b3c4d` */
export function describeTaint({ what, found, expected }: Taint): string {
  return `${what} is ${found}, expected ${expected}`;
}
