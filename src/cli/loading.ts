/** What several commands do first: options, plan files, the connection. */
import { hostname, userInfo } from 'node:os';
import { ClientError, Headgate } from '../client.js';
import { toAnswerText } from '../contract/plain-text.js';
import { sortByPlace } from '../plan/fault-list.js';
import type { ResolvedPlan } from '../plan/resolved.js';
import { type LoadedPlan, loadPlan } from '../platform/load-plan.js';
import { signText } from '../platform/ssh-signatures.js';
import { CommandError, type Context, EXIT, usage } from './context.js';
import { faultLine, renderFault } from './render/faults.js';
import { paintIf } from './render/paint.js';

/** Nobody proves it; it is recorded as unverified. */
export function identity(by: string | undefined): string {
  if (by) return toAnswerText(by) ?? 'somebody';
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return 'somebody';
  }
}

/** @throws CommandError 2 with ssh-keygen's own words */
export async function sign(key: string, text: string): Promise<string> {
  try {
    return await signText(key, text);
  } catch (error) {
    throw usage(error instanceof Error ? error.message : String(error));
  }
}

export async function withClient<T>(use: (headgate: Headgate) => Promise<T>): Promise<T> {
  const headgate = await Headgate.connect();
  try {
    return await use(headgate);
  } finally {
    await headgate.close();
  }
}

/** Says every fault there is, all at once. @throws CommandError 2; 4 when only its source cannot be reached */
export async function requirePlan(
  { output, loadSources, interrupted }: Context,
  file: string,
  variables: Record<string, string>,
): Promise<{ plan: ResolvedPlan; loaded: LoadedPlan }> {
  const loaded = await loadPlan(file, variables, { loadSources, signal: interrupted });
  showFaults(output, loaded.warnings, 'warning');
  const faults = sortByPlace([...loaded.faults, ...loaded.missing]);
  showFaults(output, sortByPlace([...faults, ...loaded.unreachable]), 'fault');
  if (!loaded.plan && faults.length === 0) {
    const message = 'The source of the plan cannot be reached; nothing was touched.';
    throw new CommandError(EXIT.infrastructure, 'sourceUnreachable', message);
  }
  if (!loaded.plan) throw faulty(faults.length);
  return { plan: loaded.plan, loaded };
}

export function showFaults(
  output: Context['output'],
  faults: LoadedPlan['faults'],
  kind: 'fault' | 'warning',
): void {
  const paint = paintIf(output.color);
  for (const fault of faults) {
    if (kind === 'fault') output.line(faultLine(fault));
    if (!output.json || kind === 'warning') output.note(renderFault(fault, kind, paint));
  }
}

export function faulty(count: number): CommandError {
  return new CommandError(
    EXIT.usage,
    'planFaults',
    `${count} ${count === 1 ? 'fault' : 'faults'}; nothing was touched.`,
  );
}

const EXIT_CODES: Record<ClientError['code'], number> = {
  unknown: EXIT.usage,
  refused: EXIT.refused,
  unreachable: EXIT.infrastructure,
  noWorker: EXIT.infrastructure,
};

/** Any error as how a command ends. */
export function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof ClientError)
    return new CommandError(EXIT_CODES[error.code], error.code, error.message);
  const message = error instanceof Error ? error.message : String(error);
  return new CommandError(EXIT.infrastructure, 'failed', message);
}
