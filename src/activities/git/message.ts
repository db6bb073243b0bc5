/** The message of a commit and its tag: a template of the plan, with what has been measured, and who says so. Pure. */
import type { StepResult } from '../../contract/activities.js';
import { clip, fitLines } from '../../contract/fit.js';
import { invalid, notPermitted } from '../../platform/failures.js';

export interface MessageOptions {
  /** As the plan names it, for errors. */
  file: string;
  /** Absent before anything has been measured: then only the placeholders are looked at. */
  results?: StepResult[];
  /** Answers `${rollout:…}`. */
  resolve: (reference: string) => Promise<string>;
}

const LONGEST_TEMPLATE = 32 * 1024;
const LARGEST_RESULTS_BYTES = 16 * 1024;
const LONGEST_LINE = 300;
const PLACEHOLDER = /\$\{([^}]*)\}?/g;
const KNOWN =
  '${rollout:version}, ${rollout:id}, ${rollout:application}, ${results} and ${result:STAGE/STEP}';

/**
 * One pass: what is put in is not read again.
 * @throws ApplicationFailure `Invalid` that names a placeholder nobody knows, `NotPermitted` for `${env:…}` and `${secret:…}`
 */
export async function renderMessage(template: string, options: MessageOptions): Promise<string> {
  const { file } = options;
  if (template.length > LONGEST_TEMPLATE) {
    throw invalid(`${file} has ${template.length} characters; a message has at most ${LONGEST_TEMPLATE}.`);
  }
  const values: string[] = [];
  for (const [whole, name = ''] of template.matchAll(PLACEHOLDER)) {
    values.push(await fillIn(whole, whole.endsWith('}') ? name : '', options));
  }
  const text = template.replace(PLACEHOLDER, () => values.shift() ?? '').replaceAll('\r\n', '\n');
  if (text.trim() === '' && options.results)
    throw invalid(`${file} renders to nothing; git wants a message.`);
  return `${text.trim()}\n`;
}

async function fillIn(whole: string, name: string, options: MessageOptions): Promise<string> {
  const { file, results } = options;
  if (/^(env|secret):/.test(name)) {
    throw notPermitted(
      `${file}: ${whole} would be published with the message. Only ${KNOWN} can stand there.`,
    );
  }
  if (name.startsWith('rollout:')) return options.resolve(whole);
  if (name === 'results') return results ? describeAll(results) : '';
  if (name.startsWith('result:')) return results ? describeOne(whole, name.slice(7), file, results) : '';
  throw invalid(`${file}: ${clip(whole, 60)} is unknown; what can stand there is ${KNOWN}.`);
}

function describeAll(results: StepResult[]): string {
  if (results.length === 0) return '- nothing has been measured yet';
  return fitLines(results.flatMap(linesOf), LARGEST_RESULTS_BYTES, LONGEST_LINE).join('\n');
}

function describeOne(whole: string, step: string, file: string, results: StepResult[]): string {
  const result = results.find((each) => each.step === step);
  if (result) return fitLines(linesOf(result), LARGEST_RESULTS_BYTES, LONGEST_LINE).join('\n');
  const known = results.map((each) => each.step).join(', ');
  throw invalid(
    `${file}: ${clip(whole, 60)} has no result; ${known === '' ? 'no step has one yet' : `there are those of ${known}`}.`,
  );
}

/** What was measured may hold line breaks, and a line of its own would read like one of ours. */
function linesOf({ step, summary, measurements }: StepResult): string[] {
  return [`- ${step}: ${onOneLine(summary)}`, ...measurements.map((line) => `  - ${onOneLine(line)}`)];
}

function onOneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** `Token: value` lines at the end of a message; in the same paragraph when the message ends with such lines already. */
export function withTrailers(message: string, trailers: string[]): string {
  const text = message.trimEnd();
  const paragraphs = text.split(/\n[ \t]*\n/);
  const last = paragraphs.at(-1)?.split('\n') ?? [];
  // The first paragraph is the title, whatever it looks like.
  const joins = paragraphs.length > 1 && last.every((line) => /^[A-Za-z0-9-]+: /.test(line));
  return `${text}${joins ? '\n' : '\n\n'}${trailers.join('\n')}\n`;
}
