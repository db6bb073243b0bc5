/**
 * What terraform says with `-json`, line by line, and what `init` says in plain text. Pure.
 * https://developer.hashicorp.com/terraform/internals/machine-readable-ui
 */
import { z } from 'zod';

const diagnosticSchema = z.object({
  severity: z.string(),
  summary: z.string(),
  detail: z.string().default(''),
  address: z.string().optional(),
  range: z.object({ filename: z.string(), start: z.object({ line: z.number() }) }).optional(),
});

const eventSchema = z.object({
  type: z.string(),
  diagnostic: diagnosticSchema.optional(),
  hook: z.object({ resource: z.object({ addr: z.string() }) }).optional(),
  changes: z
    .object({ add: z.number(), change: z.number(), remove: z.number(), operation: z.string() })
    .optional(),
});

export type Diagnostic = z.infer<typeof diagnosticSchema>;
export type TerraformEvent = z.infer<typeof eventSchema>;

/** `undefined` for what is no event: a warning about the command line's own configuration is plain text. */
export function readEvent(line: string): TerraformEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return eventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The errors of a command without `-json`: `Error: summary`, perhaps `on main.tf line 3`, then the detail. */
export function readTextErrors(text: string): Diagnostic[] {
  const parts = text.split(/^Error: /m).slice(1);
  return parts.flatMap((part) => {
    const [summary = '', ...paragraphs] = part.trim().split(/\n\s*\n/);
    // It only announces the errors that follow.
    if (oneLine(summary).startsWith('Terraform encountered problems during init')) return [];
    const place = paragraphs
      .map((each) => /^\s*on (\S+) line (\d+)/.exec(each))
      .find((found) => found !== null);
    const detail = paragraphs.filter((each) => !/^\s*on \S+ line \d+/.test(each)).join(' ');
    const range = place && { filename: place[1] ?? '', start: { line: Number(place[2]) } };
    return [
      { severity: 'error', summary: oneLine(summary), detail: oneLine(detail), ...(range ? { range } : {}) },
    ];
  });
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** Who holds the state. What terraform could not find out is missing. */
export interface StateLock {
  id: string;
  who?: string;
  /** `OperationTypeApply` */
  operation?: string;
  createdMs?: number;
}

/** The lock that an error tells of; `undefined` when it is about something else. */
export function readLock({ summary, detail }: Diagnostic, startedAtMs: number): StateLock | undefined {
  if (summary !== 'Error acquiring the state lock') return undefined;
  const field = (name: string) => new RegExp(`^ +${name}: +(\\S.*?) *$`, 'm').exec(detail)?.[1];
  const id = field('ID') ?? '';
  // The http backend names the holder's id here, and as lock information that of the lock it asked for itself.
  const named = /already locked: ID=(\S+)/.exec(detail)?.[1];
  if (named !== undefined && named !== id) return { id: named };
  const createdMs = readTime(field('Created'));
  // What is no older than our own question may be that question.
  if (createdMs === undefined || createdMs >= startedAtMs) return { id };
  return { id, who: field('Who'), operation: field('Operation'), createdMs };
}

/** Go's own way: `2026-11-24 21:48:08.603990151 +0000 UTC`. */
function readTime(text: string | undefined): number | undefined {
  const found = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)? \+0000 UTC/.exec(text ?? '');
  return found ? Date.parse(`${found[1]}T${found[2]}${(found[3] ?? '').slice(0, 4)}Z`) : undefined;
}

export function describeLock({ id, who, operation, createdMs }: StateLock): string {
  const holder = who
    ? `${who}${operation ? ` (${operation.replace('OperationType', '').toLowerCase()})` : ''}`
    : 'somebody';
  return `${holder}${createdMs === undefined ? '' : ` since ${new Date(createdMs).toISOString()}`}, lock ${id}`;
}
