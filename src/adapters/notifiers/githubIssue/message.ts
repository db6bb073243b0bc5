/** A notice as the Markdown of an issue or a comment. Pure. */
import type { Notification } from '../notifier.js';
import { fitLines, fullTitle, oneLine } from '../text.js';

/** GitHub's own limits. */
export const LONGEST_TITLE = 256;
export const LONGEST_BODY = 65_536;
const LONGEST_LINE = 1_000;
/** Of the lines; the rest of the body is short. */
const LONGEST_TEXT = 56_000;

/** By it an issue is found again when the answer to its creation was lost. Nobody sees it. */
export function issueMarker({ context }: Pick<Notification, 'context'>): string {
  return `<!-- headgate:${context.application}/${context.runId} -->`;
}

/** By it a notice is found again. */
export function noticeMarker({ context, id }: Pick<Notification, 'context' | 'id'>): string {
  return `<!-- headgate:${context.application}/${context.runId} notice ${id} -->`;
}

export function composeTitle(notification: Notification): string {
  return oneLine(fullTitle(notification), LONGEST_TITLE);
}

export function composeIssue(notification: Notification): string {
  return `${issueMarker(notification)}\n${composeComment(notification)}`;
}

/**
 * All that others wrote stands in a block of code: there GitHub reads no mention, no reference to another issue, no
 * HTML and no picture.
 */
export function composeComment(notification: Notification): string {
  const { context, moment, title, lines, commands, link } = notification;
  const run = `${context.application}/${context.runId}`;
  const told = fitLines(
    [title, ...lines].map((line) => oneLine(line, LONGEST_LINE)),
    LONGEST_TEXT,
  );
  return [
    noticeMarker(notification),
    `**${moment}** of \`${run}\``,
    block('text', told),
    ...(commands.length > 0 ? [block('sh', commands)] : []),
    ...(link === undefined ? [] : [`[The run in the Temporal UI](<${link}>)`]),
  ].join('\n\n');
}

/** Its fence is longer than any that stands inside. */
function block(language: string, lines: string[]): string {
  const ticks = lines.flatMap((line) => line.match(/`+/g) ?? []).map(({ length }) => length);
  const fence = '`'.repeat(Math.max(3, ...ticks.map((length) => length + 1)));
  return [`${fence}${language}`, ...lines, fence].join('\n');
}
