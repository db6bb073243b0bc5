/** A checklist's items, each tick with its measurement. Pure. */
import type { Measurement, Progress, StepProgress } from '../contract/progress.js';

const MARKS: Record<Measurement['outcome'], string> = {
  pass: '[x]',
  fail: '[ ] ✗',
  inconclusive: '[ ] ?',
  error: '[ ] ‼',
};

/** Checks, and whatever else the rollout turned round at: there each probe is worth a line. */
export function isTicked({ stop }: Progress, { kind, status, name }: StepProgress): boolean {
  return kind === 'check' || status === 'failed' || stop?.step === name;
}

/** `[x] healthy: status = 200, expected 200`. */
export function tickOf({ probe, outcome, message }: Measurement): string {
  return `${MARKS[outcome]} ${probe}: ${message}`;
}
