/** One of the programs of a `run` step: allowed, put together, run once, its output kept. */
import { Context } from '@temporalio/activity';
import type { RunInput, Subject } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import type { Measurement } from '../../contract/progress.js';
import type { ArtifactStore } from '../../platform/artifacts.js';
import { type ChildResult, ChildStartError, type runChild } from '../../platform/children.js';
import { invalid, notPermitted } from '../../platform/failures.js';
import { OutputTail } from '../../platform/output-tail.js';
import type { Redactor } from '../../platform/redaction.js';
import type { References } from '../../platform/references.js';
import { withHeartbeat } from '../heartbeat.js';

export interface RunDeps {
  runChild: typeof runChild;
  /** The worker's capability `run`: what a plan names runs with the worker's rights. */
  runEnabled: boolean;
  references: Pick<References, 'resolveText'>;
  artifacts: Pick<ArtifactStore, 'write' | 'cite'>;
  redactor: Pick<Redactor, 'redact'>;
}

export type RunVerb = 'command' | 'undo' | 'verify';

export interface Ran {
  /** What ran, for people. */
  line: string;
  /** Absent when it exited with 0: how it ended and what it said last, redacted. */
  fault?: string;
  /** Null when a signal or the timeout ended it. */
  exitCode: number | null;
  /** The last line that it printed, redacted and clipped; empty when it printed none. */
  said: string;
  /** Where its output is kept, as results name it. */
  artifacts: string[];
}

export const LONGEST_SAID = 300;
const LONGEST_ERROR = 600;
/** Below the two seconds in which a command is gone after an abort. */
const STOP_GRACE_MS = 1_500;

/** @throws ApplicationFailure `NotPermitted` unless the worker allows it */
export function requireEnabled({ runEnabled }: RunDeps, { step }: RunInput): void {
  if (runEnabled) return;
  throw notPermitted(
    `${step.name}: run steps are off on this worker, because they run with its rights. Start it with: headgate worker --enable run`,
  );
}

export async function resolveArguments(
  { references }: RunDeps,
  { context, step }: RunInput,
  verb: RunVerb,
): Promise<string[]> {
  const subject: Subject = { context, stage: step.stage, step: step.name };
  const written = step.config[verb];
  if (!written?.[0]) throw invalid(`${step.name} has no ${verb}. Add ${verb}: […] to the plan.`);
  return Promise.all(written.map((text) => references.resolveText(text, subject, { publicOnly: true })));
}

/** For people: an argument with spaces in quotes. Nothing ever reads it back. */
export function showCommand(argv: string[]): string {
  return argv.map((argument) => (/^[^\s"]+$/.test(argument) ? argument : JSON.stringify(argument))).join(' ');
}

/**
 * Runs it once, in the plan's folder, with heartbeats that show its last line.
 * @throws ChildStartError; the signal's reason when it is cancelled, after it is gone
 */
export async function runProgram(deps: RunDeps, input: RunInput, verb: RunVerb): Promise<Ran> {
  requireEnabled(deps, input);
  const { context, step } = input;
  const argv = await resolveArguments(deps, input, verb);
  const [file = '', ...args] = argv;
  const tail = new OutputTail();
  const said = () => clip(deps.redactor.redact(tail.last()), LONGEST_SAID);
  const run = (signal: AbortSignal) =>
    deps.runChild({
      file,
      args,
      cwd: context.directory,
      env: {
        HEADGATE_ROLLOUT_ID: context.runId,
        HEADGATE_STAGE: step.stage,
        HEADGATE_VERSION: context.version,
        HEADGATE_STEP: step.name,
      },
      signal,
      stopSignal: 'SIGTERM',
      graceMs: STOP_GRACE_MS,
      timeoutMs: step.config.timeoutMs,
      onLine: (line, stream) => tail.push(line, stream),
    });
  const keep = () => keepOutput(deps, input, verb, tail);
  const result = await withHeartbeat(() => ({ said: said() }), run).catch(async (error: unknown) => {
    await keep();
    throw error;
  });
  return {
    line: showCommand(argv),
    fault: describeFault(deps, input, result),
    exitCode: result.timedOut ? null : result.exitCode,
    said: said(),
    artifacts: await keep(),
  };
}

/** A log that cannot be kept is no reason to take back what a program has done. */
async function keepOutput(
  { artifacts }: RunDeps,
  { context, step }: RunInput,
  verb: RunVerb,
  tail: OutputTail,
): Promise<string[]> {
  const name = `run-${step.name.replace('/', '-')}${verb === 'command' ? '' : `-${verb}`}.log`;
  try {
    await artifacts.write(context, name, tail.text());
    return [artifacts.cite(context, name)];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    Context.current().log.warn(`${step.name}: the output of its ${verb} cannot be kept: ${why}`);
    return [];
  }
}

function describeFault({ redactor }: RunDeps, { step }: RunInput, result: ChildResult): string | undefined {
  const { exitCode, signal, timedOut, stderr, stdout } = result;
  if (exitCode === 0 && !timedOut) return undefined;
  const end = exitCode === null ? `was ended by ${signal}` : `exited with ${exitCode}`;
  const seconds = step.config.timeoutMs / 1000;
  const how = timedOut ? `timed out: it was not done after ${seconds} s and was stopped` : end;
  const lines = (stderr.trim() || stdout.trim()).split('\n').slice(-10).join('\n');
  const said = redactor.redact(lines).slice(-LONGEST_ERROR);
  return said ? `${how}: ${said}` : `${how} and said nothing`;
}

/** `pass` and `fail` by the exit code; one that could not be started or did not end by itself is an `error`. */
export async function measureVerify(deps: RunDeps, input: RunInput): Promise<Measurement> {
  const at = new Date().toISOString();
  const startedAt = performance.now();
  const measured = (outcome: Measurement['outcome'], message: string, exitCode: number | null) => ({
    probe: 'verify',
    outcome,
    at,
    message: clip(deps.redactor.redact(message), LONGEST_ERROR),
    values: { exitCode },
    durationMs: Math.round(performance.now() - startedAt),
  });
  try {
    const { line, fault, exitCode } = await runProgram(deps, input, 'verify');
    if (fault === undefined) return measured('pass', `${line} exited with 0`, exitCode);
    return measured(exitCode === null ? 'error' : 'fail', `${line} ${fault}`, exitCode);
  } catch (error) {
    if (error instanceof ChildStartError) return measured('error', error.message, null);
    throw error;
  }
}
