/**
 * What people send. Signals and updates take the same input and do the same thing; an update is refused at
 * once, a signal that does nothing leaves the reason in the progress.
 *
 * Messages that came before the first workflow task are dispatched in the order of registration, so abort
 * comes first.
 */
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { FAILURES, MESSAGE_NAMES, type MessageName, PROGRESS_QUERY } from '../contract/messages.js';
import { toAnswerText, toLine } from '../contract/plain-text.js';
import type { Progress } from '../contract/progress.js';
import { clip } from './progress.js';
import type { Answer, Run } from './run.js';
import { now, stopOfCancel } from './stop.js';

type Input = Record<string, unknown>;

const LONGEST_SIGNATURE = 8 * 1024;
const LONGEST_SHOWN = 100;

/** Why a message would do nothing, or undefined. Must not change anything: it validates updates. */
type Check = (run: Run, input: Input) => string | undefined;
type Apply = (run: Run, input: Input) => void;

const EXAMPLES: Partial<Record<MessageName, string>> = {
  approve: '{"gate":"production/approval","digest":"1a2b3c4d","by":"ana","reason":"…"}',
  reject: '{"gate":"production/approval","digest":"1a2b3c4d","by":"ana","reason":"…"}',
  skip: '{"step":"production/monitor","by":"ana","reason":"…"}',
};

const CHECKS: Record<MessageName, Check> = {
  abort: (run) => {
    if (run.progress.outcome) return `the rollout has ended: ${run.progress.outcome}`;
    if (run.progress.stop)
      return `it is on its way back already (${run.progress.stop.kind}), and goes it to the end`;
    if (run.progress.phase === 'settling')
      return 'the last gate has passed and the old release is being retired';
    return undefined;
  },
  hold: (run) => {
    if (run.progress.held) return `held already by ${run.progress.held.by} since ${run.progress.held.at}`;
    return CHECKS.abort(run, {});
  },
  resume: (run) => (run.progress.held ? undefined : 'the rollout is not held'),
  approve: checkApproval,
  reject: checkApproval,
  retry: (run, input) => checkDecision(run, input, 'retry'),
  skip: (run, input) => {
    if (!text(input.step)) return `step is missing; expected ${EXAMPLES.skip}`;
    if (!text(input.reason)) return `reason is missing; expected ${EXAMPLES.skip}`;
    return checkDecision(run, input, 'skip');
  },
  accept: (run, input) => checkDecision(run, input, 'accept'),
};

const APPLY: Record<MessageName, Apply> = {
  abort: (run, input) => {
    const by = nameOf(input);
    const reason = text(input.reason);
    run.turnRound({
      kind: 'abort',
      by,
      message: reason ? `aborted by ${by}: ${reason}` : `aborted by ${by}`,
      step: run.currentStep,
      at: now(),
    });
  },
  hold: (run, input) => {
    run.progress.held = { by: nameOf(input), at: now() };
  },
  resume: (run) => {
    run.progress.held = undefined;
  },
  approve: (run, input) => answer(run, input, 'approve'),
  reject: (run, input) => answer(run, input, 'reject'),
  retry: (run, input) => answer(run, input, 'retry'),
  skip: (run, input) => answer(run, input, 'skip'),
  accept: (run, input) => answer(run, input, 'accept'),
};

/** The UI's Cancel does what an abort does, or says as an abort would why it does nothing. */
export function heedCancel(run: Run): void {
  void CancellationScope.current().cancelRequested.catch(() => {
    const why = CHECKS.abort(run, {});
    if (why) run.progress.ignored = { signal: 'cancel', at: now(), why };
    else run.turnRound(stopOfCancel(run.currentStep));
    run.changed();
  });
}

export function listen(run: Run): void {
  setMessageHandlers(run, 'abort');
  setHandler(defineQuery<Progress>(PROGRESS_QUERY), () => run.progress, {
    description: 'Everything the rollout knows of itself',
  });
  for (const name of MESSAGE_NAMES) {
    if (name !== 'abort') setMessageHandlers(run, name);
  }
}

function setMessageHandlers(run: Run, name: MessageName): void {
  setHandler(defineSignal<[unknown]>(name), (raw) => {
    const why = reject(run, name, raw);
    if (why) run.progress.ignored = { signal: name, at: now(), why };
    else APPLY[name](run, asInput(raw) ?? {});
    run.changed();
  });
  setHandler(
    defineUpdate<number, [unknown]>(name),
    (raw) => {
      APPLY[name](run, asInput(raw) ?? {});
      run.changed();
      const given = name === 'approve' || name === 'reject' ? run.answers.at(-1) : undefined;
      return given?.signature === undefined ? run.progress.revision : untilVerified(run, given);
    },
    {
      validator: (raw) => {
        const why = reject(run, name, raw);
        if (why) throw ApplicationFailure.nonRetryable(why, FAILURES.refused);
      },
    },
  );
}

/** The one handler that waits: whose a signature is only an activity can tell. */
async function untilVerified(run: Run, answer: Answer): Promise<number> {
  // Whoever waits for it no longer has decided without it.
  await condition(
    () => answer.key !== undefined || answer.why !== undefined || !run.answers.includes(answer),
  );
  if (answer.key === undefined) {
    const why = answer.why ?? 'the gate was decided before the signature was verified';
    throw ApplicationFailure.nonRetryable(why, FAILURES.refused);
  }
  return run.progress.revision;
}

/** Why the message does nothing, or undefined. */
function reject(run: Run, name: MessageName, raw: unknown): string | undefined {
  const input = asInput(raw);
  if (!input) {
    const example = EXAMPLES[name] ?? '{"by":"ana","reason":"…"}';
    return `expected one JSON object like ${example}`;
  }
  return CHECKS[name](run, input);
}

/** No input at all is an empty object; a list, a text or a number is a mistake. */
function asInput(raw: unknown): Input | undefined {
  if (raw === undefined || raw === null) return {};
  return typeof raw === 'object' && !Array.isArray(raw) ? { ...raw } : undefined;
}

function checkApproval(run: Run, input: Input): string | undefined {
  const { waiting } = run.progress;
  const expected = `expected ${EXAMPLES.approve}`;
  if (!waiting?.gate || !waiting.digest) return 'no gate waits for an approval';
  if (!text(input.gate)) return `gate is missing; ${expected}`;
  if (!text(input.digest)) return `digest is missing; ${expected}`;
  if (!text(input.by)) return `by is missing (who answers); ${expected}`;
  if (input.gate !== waiting.gate) return `gate ${show(input.gate)} does not wait; ${waiting.gate} does`;
  if (input.digest !== waiting.digest) {
    return `digest ${show(input.digest)} is not what the gate shows now (${waiting.digest}); look again`;
  }
  return checkSignature(run, waiting.gate, input.signature);
}

/** Whether it is right is found out later; that there is one is not. */
function checkSignature(run: Run, gate: string, signature: unknown): string | undefined {
  const step = run.plan.stages.flatMap(({ steps }) => steps).find(({ name }) => name === gate);
  const isNeeded = step?.kind === 'approval' && step.config.identity !== undefined;
  if (!isNeeded) {
    return signature === undefined ? undefined : `${gate} takes no signature: it has no identity in the plan`;
  }
  if (typeof signature === 'string' && signature.length <= LONGEST_SIGNATURE) return undefined;
  return `${gate} takes signed answers only: headgate approve ${run.context.application} ${gate} --by NAME --key FILE`;
}

function checkDecision(run: Run, input: Input, name: 'retry' | 'skip' | 'accept'): string | undefined {
  const { waiting } = run.progress;
  if (!waiting?.answers.includes(name)) {
    return waiting ? `${waiting.step} waits, but not for ${name}` : `nothing waits for ${name}`;
  }
  if (input.step !== undefined && !namesStep(input.step, waiting.step)) {
    return `step ${show(input.step)} does not wait; ${waiting.step} does`;
  }
  return undefined;
}

/** `deploy` and `production/deploy` both name the step. */
function namesStep(given: unknown, name: string): boolean {
  return typeof given === 'string' && (given === name || name.endsWith(`/${given}`));
}

function answer(run: Run, input: Input, name: 'approve' | 'reject' | 'retry' | 'skip' | 'accept'): void {
  const { signature } = input;
  const signed = typeof signature === 'string' ? { signature } : {};
  run.answers.push({ name, by: nameOf(input), reason: text(input.reason), ...signed });
}

function nameOf(input: Input): string {
  return text(input.by) ?? 'somebody who gave no name';
}

/** It stands among our own words in details, notices, logs and terminals. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' ? toAnswerText(value) : undefined;
}

function show(value: unknown): string {
  return clip(toLine(JSON.stringify(value)), LONGEST_SHOWN);
}
