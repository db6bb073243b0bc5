/** A notice as the text of a Slack message. Pure. */
import type { Notification } from '../notifier.js';
import { fitLines, oneLine } from '../text.js';

/** Slack shows a longer text as several messages, and cuts it at 40,000 characters. */
export const LONGEST_TEXT = 4_000;
const LONGEST_TITLE = 300;
const LONGEST_LINE = 1_000;

/**
 * The title in bold, the lines as a list, then the commands and the link. What does not fit of the lines is counted;
 * nothing is cut in the middle of a sign.
 */
export function composeText({
  title,
  lines,
  commands,
  link,
}: Pick<Notification, 'title' | 'lines' | 'commands' | 'link'>): string {
  const head = `*${show(title, LONGEST_TITLE)}*`;
  const tail = [
    ...commands.map((command) => `\`${show(command, LONGEST_LINE)}\``),
    ...(link === undefined ? [] : [`<${escapeText(link)}|in the Temporal UI>`]),
  ];
  const taken = [head, ...tail].join('\n').length;
  const list = fitLines(
    lines.map((line) => `• ${show(line, LONGEST_LINE)}`),
    LONGEST_TEXT - taken,
  );
  return [head, ...list, ...tail].join('\n');
}

function show(text: string, longest: number): string {
  return escapeText(oneLine(text, longest));
}

/** Slack's three: with them nothing in a text is a link or calls everybody. */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
