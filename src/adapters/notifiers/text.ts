/** Texts of a notice, as they fit into what a receiver takes. Pure. */
import type { Notification } from './notifier.js';

/** The first half of a sign that takes two units of UTF-16. */
const HALF_SIGN = /[\uD800-\uDBFF]$/;

/** One line of at most `longest` characters, not cut in the middle of a sign. */
export function oneLine(text: string, longest: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= longest ? line : `${line.slice(0, longest - 1).replace(HALF_SIGN, '')}…`;
}

/** The title, with the application and its version before it where it does not say them itself. */
export function fullTitle({ context, title }: Pick<Notification, 'context' | 'title'>): string {
  const about = `${context.application} ${context.version}`;
  return title.startsWith(about) ? title : `${about}: ${title}`;
}

/** As many lines as fit into `longest` characters; the rest is counted in one more line. */
export function fitLines(lines: string[], longest: number): string[] {
  const kept: string[] = [];
  let length = 0;
  for (const [index, line] of lines.entries()) {
    const left = lines.length - index;
    const more = `… and ${left} more`;
    length += line.length + 1;
    const reserved = left > 1 ? more.length + 1 : 0;
    if (length + reserved > longest) return [...kept, more];
    kept.push(line);
  }
  return kept;
}
