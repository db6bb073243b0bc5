/** What is wrong with a plan file: values that command line, JSON output and tests share. */

export type FaultCode =
  /** The file itself: not YAML, empty, too large, not text. */
  | 'syntax'
  | 'duplicateKey'
  | 'tooComplex'
  | 'badNumber'
  | 'badKey'
  | 'unknownKey'
  | 'missingKey'
  | 'wrongType'
  | 'wrongValue'
  | 'empty'
  | 'outOfRange'
  | 'noKind'
  | 'severalKinds'
  | 'badDuration'
  | 'badWindow'
  | 'badUrl'
  | 'badPattern'
  | 'badName'
  | 'badPath'
  | 'badReference'
  | 'unknownVariable'
  | 'badOverride'
  | 'noRelease'
  | 'secretArgument'
  | 'unknownProbe'
  | 'repeatedProbe'
  | 'unknownStep'
  | 'laterStep'
  | 'repeatedName'
  | 'noExpectation'
  | 'noCondition'
  | 'noMetric'
  | 'uselessAggregate'
  | 'oneOf'
  | 'noLogs'
  | 'noStream'
  | 'notStaged'
  | 'cannotRestart'
  | 'neverSampled'
  | 'cannotRevert'
  | 'needsIdentity'
  | 'file'
  | 'source'
  | 'noWorkingTree'
  | 'noStrategy'
  /** Warnings only. */
  | 'unusedProbe'
  | 'unusedVariable'
  | 'unapprovedChange'
  | 'sampledOnce'
  | 'unprobedInfra'
  | 'probeWrites'
  | 'ignoredLimit'
  | 'unjudgedDeploy'
  | 'budgetUnknown'
  | 'deadlineTooShort'
  | 'secretInPlan';

export interface PlanFault {
  code: FaultCode;
  /** As given to the parser. */
  file: string;
  /** From 1; of the very key or value. */
  line: number;
  column: number;
  /** `stages[1].steps[4].deploy.strategy`; empty for the file as a whole. */
  path: string;
  /** A whole sentence. */
  message: string;
  /** Ends the sentence "expected …". */
  expected: string;
  /** Ends the sentence "found …"; absent when nothing is there. */
  found?: string;
  /** What would mend it, as a sentence. */
  fix: string;
}

export type Path = readonly (string | number)[];

/** `['stages', 1, 'steps']` → `stages[1].steps`. */
export function showPath(path: Path): string {
  let shown = '';
  for (const part of path) {
    if (typeof part === 'number') shown += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) shown += shown === '' ? part : `.${part}`;
    else shown += `[${JSON.stringify(part)}]`;
  }
  return shown;
}

/** What stands in the plan, short enough for one line: `text "blueGren"`, `a list of 3`, `nothing`. */
export function showFound(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `"${clip(value)}"`;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') {
    const keys = Object.keys(value);
    return keys.length === 0 ? 'an empty map' : `a map with ${clip(keys.slice(0, 5).join(', '))}`;
  }
  return `the ${typeof value} ${JSON.stringify(value)}`;
}

/** What acts where it is shown: control characters, what turns the writing round or is not seen, halves of signs. */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const LONGEST_TEXT = 1_000;

/** One line of at most a thousand characters; what would act or cannot be seen is written out: `\u001b`. */
export function writeOut(text: string): string {
  const shown = text
    .slice(0, LONGEST_TEXT)
    .replace(ACTING, (found) => `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
  return text.length <= LONGEST_TEXT ? shown : `${shown}…`;
}

function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
