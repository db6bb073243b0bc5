/**
 * The scalars of a plan file. A value may still hold `${…}` references, which only the worker resolves, so what
 * is checked here is what can be known before. Messages never repeat the value: on the worker it may be a secret.
 */
import { z } from 'zod';
import { DURATION_PATTERN, parseDuration } from './duration.js';
import type { FaultCode } from './faults.js';
import { readWindow } from './window.js';

/** What a failed check of ours says about itself; travels in the issue's `params`. */
export interface ScalarFault {
  code: FaultCode;
  /** Ends the sentence "expected …". */
  expected: string;
  fix: string;
}

function checked(
  test: (value: string) => boolean,
  fault: ScalarFault,
  annotation: { pattern?: string; examples: string[] },
) {
  return z
    .string()
    .refine(test, { error: `expected ${fault.expected}`, params: fault })
    .meta(annotation);
}

export function hasReference(text: string): boolean {
  return text.includes('${');
}

/** Any text but the empty one. */
export function text(description: string) {
  return z.string().min(1).describe(description);
}

/** More than nothing, at most a year. */
export function duration(description: string) {
  return checked(
    (value) => (parseDuration(value) ?? 0) > 0,
    {
      code: 'badDuration',
      expected: 'a duration above zero and of at most a year, such as 10s, 5m, 1h30m or 250ms',
      fix: 'Write whole numbers with the units h, m, s, ms, the largest first: 1h30m.',
    },
    { pattern: DURATION_PATTERN, examples: ['10s', '5m', '1h30m'] },
  ).describe(description);
}

/** As `duration`, but may be `0s`. */
export function delay(description: string) {
  return checked(
    (value) => parseDuration(value) !== undefined,
    {
      code: 'badDuration',
      expected: 'a duration of at most a year, such as 0s, 10s or 5m',
      fix: 'Write whole numbers with the units h, m, s, ms, the largest first: 1h30m.',
    },
    { pattern: DURATION_PATTERN, examples: ['0s', '10s'] },
  ).describe(description);
}

/** Any other period CloudWatch refuses. */
export function metricPeriod(description: string) {
  return checked(
    (value) => isMetricPeriod(parseDuration(value) ?? 0),
    {
      code: 'badDuration',
      expected: 'a period that CloudWatch knows: 1s, 5s, 10s, 30s or whole minutes',
      fix: 'Write 1m, 5m or another number of minutes; below a minute only for metrics of high resolution.',
    },
    { pattern: DURATION_PATTERN, examples: ['1m', '5m'] },
  ).describe(description);
}

function isMetricPeriod(ms: number): boolean {
  return [1_000, 5_000, 10_000, 30_000].includes(ms) || (ms > 0 && ms % 60_000 === 0);
}

export function metricName(description: string) {
  return checked(
    (value) => hasReference(value) || /^[^/].*\/[^/]+$/.test(value),
    {
      code: 'badName',
      expected: 'a namespace, a slash and the name of a metric, such as AWS/RDS/DatabaseConnections',
      fix: 'Write both as CloudWatch shows them, with a slash between.',
    },
    { examples: ['AWS/RDS/DatabaseConnections'] },
  ).describe(description);
}

export function changeWindow(description: string) {
  return checked(
    (value) => 'window' in readWindow(value),
    {
      code: 'badWindow',
      expected: 'days, hours and a time zone, such as Mon-Thu 08:00-15:00 America/New_York',
      fix: 'Days are Mon to Sun (ranges and commas), hours HH:MM-HH:MM, the zone a name of the IANA list.',
    },
    { examples: ['Mon-Thu 08:00-15:00 America/New_York'] },
  ).describe(description);
}

/** An address; what of it is a reference is not known yet. */
export function httpUrl(description: string) {
  return checked(
    (value) => hasReference(value) || isUrl(value, ['http:', 'https:']),
    {
      code: 'badUrl',
      expected: 'an address that begins with http:// or https://',
      fix: 'Write the whole address, for example https://api.example.com/healthz.',
    },
    { examples: ['${release:url}/healthz'] },
  ).describe(description);
}

export function postgresUrl(description: string) {
  return checked(
    (value) => hasReference(value) || isUrl(value, ['postgres:', 'postgresql:']),
    {
      code: 'badUrl',
      expected: 'an address that begins with postgres:// or postgresql://',
      fix: 'Keep it out of the plan: "${env:DATABASE_URL}".',
    },
    { examples: ['${env:DATABASE_URL}'] },
  ).describe(description);
}

function isUrl(value: string, protocols: string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}

export function regularExpression(description: string) {
  return checked(
    isRegularExpression,
    {
      code: 'badPattern',
      expected: 'a regular expression of JavaScript',
      fix: 'Check brackets and backslashes; in double quotes YAML needs each backslash twice, in single quotes once.',
    },
    { examples: ['\\bERROR\\b'] },
  ).describe(description);
}

function isRegularExpression(value: string): boolean {
  try {
    new RegExp(value);
    return true;
  } catch {
    return false;
  }
}

const NAME_PATTERN = '^(?!.*\\.\\.)[A-Za-z0-9._-]{1,100}$';

/** What becomes part of ids, file names and search attributes. */
export function name(description: string, example: string) {
  return checked(
    (value) => new RegExp(NAME_PATTERN).test(value),
    {
      code: 'badName',
      expected: '1 to 100 letters, digits, dots, underscores or hyphens, and no two dots in a row',
      fix: 'Use only A-Z, a-z, 0-9, ".", "_" and "-".',
    },
    { pattern: NAME_PATTERN, examples: [example] },
  ).describe(description);
}

const LONGEST_PATH = 1_000;

/** Relative to the plan's folder. Whether it is there is looked up later. */
export function planPath(description: string, example: string) {
  return checked(
    (value) => value !== '' && !hasReference(value) && staysInside(value),
    {
      code: 'badPath',
      expected: "a path inside the plan's folder",
      fix: 'Write it relative to the folder of the plan, without "..", a leading "/" or ${…}; copy the file there if need be.',
    },
    { examples: [example] },
  ).describe(description);
}

function staysInside(path: string): boolean {
  const parts = path.split(/[\\/]/);
  if (path.length > LONGEST_PATH || /\p{Cc}/u.test(path)) return false;
  return !/^([\\/]|[A-Za-z]:)/.test(path) && !parts.includes('..');
}

/** A program and its arguments; never a shell. */
export function argv(description: string) {
  return z.array(z.string()).min(1).describe(`${description} A list of arguments; no shell reads it.`);
}

export function headers(description: string) {
  return z.record(z.string().min(1), z.string()).describe(description);
}

export function region() {
  return text("AWS region; without it the worker's own.").meta({ examples: ['us-east-1'] });
}

/** GitHub has no owner and no repository of dots alone, which would lead elsewhere in a path. */
const REPOSITORY = /^(?!\.{1,2}\/)[\w.-]+\/(?!\.{1,2}$)[\w.-]+$/;

export function githubRepository() {
  return checked(
    (value) => hasReference(value) || REPOSITORY.test(value),
    {
      code: 'badName',
      expected: 'owner/name',
      fix: 'Write the owner, a slash and the name, as in the address of the repository: acme/shop.',
    },
    { examples: ['acme/shop'] },
  ).describe('owner/name.');
}
