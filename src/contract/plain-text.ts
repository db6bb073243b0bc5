/** Text that somebody else wrote, made fit to stand among ours: it forges no line, no link and no mark. Pure. */
import type { Progress } from './progress.js';

/** What acts where it is shown: control characters, what turns the writing round or is not seen, halves of signs. */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** One line, without what would act on a terminal. */
export function toLine(text: string): string {
  return text.replace(/\s+/g, ' ').replace(ACTING, '').trim();
}

const LONGEST_ANSWER = 500;
/** Somebody may send megabytes. */
const LONGEST_READ = 8 * LONGEST_ANSWER;

/** Who answers, and why, as a rollout keeps and verifies it; undefined when nothing is left of it. */
export function toAnswerText(text: string): string | undefined {
  const line = toLine(text.slice(0, LONGEST_READ));
  if (line === '') return undefined;
  return line.length <= LONGEST_ANSWER ? line : `${line.slice(0, LONGEST_ANSWER - 1)}…`;
}

/** As `toLine`, for Markdown: reads there as it was written, and nothing in it is a link, a picture, code or HTML. */
export function toMarkdown(text: string): string {
  return toLine(text)
    .replace(/[\\`[\]]/g, '\\$&')
    .replace(/<(?=[A-Za-z/!?])/g, '\\<')
    .replace(/^[#>+=-]/, '\\$&');
}

/** Where a progress holds what people, plans and foreign systems say in their own words. */
const PROSE = new Set([
  ...['message', 'summary', 'advice', 'warnings', 'left', 'missing', 'reason', 'description', 'error'],
  ...['by', 'startedBy', 'acceptedBy', 'overrides', 'ref', 'release'],
  ...['changes', 'results', 'compensations', 'what', 'before', 'after', 'item', 'found', 'expected'],
]);

/** What is rendered as Markdown: prose as such, anything else (commands, names, folders) on one line. */
export function disarmProgress(progress: Progress): Progress {
  return disarm(progress, '');
}

function disarm<T>(value: T, key: string): T;
function disarm(value: unknown, key: string): unknown {
  if (typeof value === 'string') return PROSE.has(key) ? toMarkdown(value) : toLine(value);
  if (Array.isArray(value)) return value.map((entry: unknown) => disarm(entry, key));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, entry]) => [
    name,
    disarm(entry, key === 'overrides' ? key : name),
  ]);
  return Object.fromEntries(entries);
}
