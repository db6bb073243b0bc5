/** A notice as the text of a Slack message. Pure. */
import type { Notification } from '../notifier.js';

/** Slack shows a longer text as several messages, and cuts it at 40,000 characters. */
export const LONGEST_TEXT = 4_000;
const LONGEST_TITLE = 300;
const LONGEST_LINE = 1_000;
/** The first half of a sign that takes two units of UTF-16. */
const HALF_SIGN = /[\uD800-\uDBFF]$/;

/** The title in bold, the lines as a list. What does not fit is counted; nothing is cut in the middle of a sign. */
export function composeText({ title, lines }: Pick<Notification, 'title' | 'lines'>): string {
  let text = `*${show(title, LONGEST_TITLE)}*`;
  for (const [index, line] of lines.entries()) {
    const next = `${text}\n• ${show(line, LONGEST_LINE)}`;
    const left = lines.length - index;
    const more = `\n… and ${left} more`;
    const reserved = left > 1 ? more.length : 0;
    if (next.length + reserved > LONGEST_TEXT) return `${text}${more}`;
    text = next;
  }
  return text;
}

function show(text: string, longest: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return escapeText(line.length <= longest ? line : `${line.slice(0, longest - 1).replace(HALF_SIGN, '')}…`);
}

/** Slack's three: with them nothing in a text is a link or calls everybody. */
function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
