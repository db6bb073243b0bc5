/** What has to hold of a closed history: no secret in it, nothing large in it, no workflow task that failed. Pure. */
import proto from '@temporalio/proto';
import { type History, type Payload, payloadsOf } from '../test/support/histories.js';

const Cause: Record<number, string> = proto.temporal.api.enums.v1.WorkflowTaskFailedCause;
const LARGEST_BYTES = 16 * 1024;
/** What a server does that is killed, or met by a message at the end; anything else is the workflow's own fault. */
const HARMLESS = ['UNHANDLED_COMMAND', 'UNHANDLED_UPDATE', 'FORCE_CLOSE_COMMAND', 'RESET_STICKY_TASK_QUEUE'];

export interface HistoryCase {
  history: History;
  /** Values that may be nowhere, by what holds them. */
  planted: Record<string, string>;
  /** Signals of the run itself, which may be as large as they like. */
  ownSignals: ReadonlySet<string>;
}

export function judgeHistory({ history, planted, ownSignals }: HistoryCase): string[] {
  const faults: string[] = [];
  for (const event of history.events ?? []) {
    const failed = event.workflowTaskFailedEventAttributes;
    const cause = nameOf(failed?.cause);
    if (failed && !HARMLESS.includes(cause)) {
      faults.push(`a workflow task failed: ${cause}, ${failed.failure?.message ?? ''}`.slice(0, 400));
    }
  }
  for (const payload of payloadsOf(history)) {
    for (const [holder, value] of Object.entries(planted)) {
      if (holds(payload.text, value)) faults.push(`the ${holder}'s secret value is in ${payload.event}`);
    }
    if (payload.bytes > LARGEST_BYTES && !isOwn(payload, ownSignals)) {
      faults.push(`${payload.bytes} bytes in ${payload.event}`);
    }
  }
  return [...new Set(faults)];
}

function nameOf(cause: unknown): string {
  const prefix = 'WORKFLOW_TASK_FAILED_CAUSE_';
  return (typeof cause === 'number' ? (Cause[cause] ?? String(cause)) : String(cause)).replace(prefix, '');
}

/** Plain, or as a program would have encoded it. */
export function holds(text: string, value: string): boolean {
  const forms = [value, encodeURIComponent(value), Buffer.from(value).toString('base64').replace(/=+$/, '')];
  return forms.some((form) => text.includes(form));
}

export function largestPayload(history: History): number {
  return Math.max(0, ...payloadsOf(history).map(({ bytes }) => bytes));
}

function isOwn({ event }: Payload, ownSignals: ReadonlySet<string>): boolean {
  return [...ownSignals].some((name) => event.endsWith(`signal ${name}`));
}
