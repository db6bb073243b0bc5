/**
 * What Headgate has left beside the checkout, in its git directory: which version a commit was deployed as, and how
 * far the last change came. git alone tells neither.
 */
import { z } from 'zod';
import { invalid } from '../../../platform/failures.js';
import type { TargetCall } from '../target.js';
import type { Host } from './host.js';
import type { Config } from './schema.js';

/** What comes next, or is under way; `up` when all of it is done. */
const PHASES = ['checkout', 'build', 'restart', 'up'] as const;
export type Phase = (typeof PHASES)[number];

const deployed = { version: z.string().min(1), commit: z.string().regex(/^[0-9a-f]{40,64}$/) };
const recordSchema = z.object({
  ...deployed,
  runId: z.string(),
  step: z.string(),
  phase: z.enum(PHASES),
  /** What was there when the change began. */
  before: z.object(deployed),
});

export type ReleaseRecord = z.infer<typeof recordSchema>;

export const RECORD_NAME = 'headgate-release.json';

/** Undefined when nobody has deployed here by Headgate. */
export function parseRecord(host: string, line: string | undefined): ReleaseRecord | undefined {
  if (line === undefined) return undefined;
  const parsed = recordSchema.safeParse(readJson(line));
  if (parsed.success) return parsed.data;
  throw invalid(
    `${host}: ${RECORD_NAME} in the git directory of the checkout is not what Headgate writes. Remove it; the version is then told by the tag of the commit.`,
  );
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Has this very step begun `record` and not ended it? */
export function isOwn(record: ReleaseRecord | undefined, { context, step }: TargetCall<Config>): boolean {
  return record?.runId === context.runId && record.step === step;
}

/** Whole or not at all, also when the host loses its power. */
const WRITE = `
file=$(git rev-parse --absolute-git-dir)/${RECORD_NAME} || exit
printf '%s\\n' "$1" >"$file.$$" && { sync "$file.$$" 2>/dev/null || sync; } && mv -f -- "$file.$$" "$file"`;

export async function writeRecord(host: Host, record: ReleaseRecord): Promise<void> {
  await host.demand(
    `writing ${RECORD_NAME} into the git directory`,
    ['sh', '-c', WRITE, 'headgate', JSON.stringify(record)],
    { unbroken: true },
  );
}
