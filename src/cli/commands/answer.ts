/** What people say to a rollout: `approve reject abort hold resume retry skip accept`. */
import { createInterface } from 'node:readline/promises';
import type { RolloutState } from '../../client.js';
import type { MessageName } from '../../contract/messages.js';
import { toAnswerText } from '../../contract/plain-text.js';
import type { Waiting } from '../../contract/progress.js';
import { type SignedAnswer, textOfAnswer } from '../../contract/signed-text.js';
import { CommandError, type Context, EXIT, usage } from '../context.js';
import { identity, sign, withClient } from '../loading.js';
import { renderEvidence } from '../render/waiting.js';

export interface AnswerOptions {
  by?: string;
  reason?: string;
}

export interface ApprovalOptions extends AnswerOptions {
  digest?: string;
  yes?: boolean;
  key?: string;
}

/** Shows what the gate is bound to and asks; scripts name the digest that they have seen, and say `--yes`. */
export async function answerGate(
  context: Context,
  name: 'approve' | 'reject',
  rollout: string,
  gate: string | undefined,
  options: ApprovalOptions,
): Promise<number> {
  const { output } = context;
  if (options.yes && !options.digest) {
    throw usage(`--yes needs --digest: name what you ${name}. It stands in: headgate status ${rollout}`);
  }
  return withClient(async (headgate) => {
    const state = await headgate.describe(rollout);
    const waiting = waitingGate(state, gate, name);
    for (const line of renderEvidence(waiting)) output.note(line);
    if (!options.yes) await confirm(name, waiting);
    const digest = options.digest ?? waiting.digest ?? '';
    const by = identity(options.by);
    // What is signed has to be what the rollout keeps.
    const reason = options.reason === undefined ? undefined : toAnswerText(options.reason);
    await headgate.send(rollout, name, {
      gate: gateName(gate, waiting),
      digest,
      by,
      reason,
      ...(await signatureOf(state, waiting, { ...options, answer: name, by, reason })),
    });
    const answered = name === 'approve' ? 'approved' : 'rejected';
    output.print(`${waiting.gate} ${answered} by ${by}, digest ${digest}`);
    output.line({
      type: 'approval',
      application: state.application,
      runId: state.runId,
      stage: waiting.gate?.split('/')[0],
      step: waiting.gate?.split('/')[1],
      status: answered,
      data: { gate: waiting.gate, digest, by, reason: options.reason },
    });
    return 0;
  });
}

export async function answer(
  { output }: Context,
  name: Exclude<MessageName, 'approve' | 'reject'>,
  rollout: string,
  step: string | undefined,
  options: AnswerOptions,
): Promise<number> {
  const by = identity(options.by);
  return withClient(async (headgate) => {
    await headgate.send(rollout, name, { step, by, reason: options.reason });
    output.print(`${name}: taken. Watch it: headgate watch ${rollout}`);
    output.line({
      type: 'rollout',
      application: rollout.split('/')[0],
      runId: rollout.split('/')[1],
      status: name,
      data: { by, reason: options.reason, step },
    });
    return 0;
  });
}

function waitingGate(state: RolloutState, gate: string | undefined, name: string): Waiting {
  const { application, temporalStatus, progress, source } = state;
  const waiting = progress?.waiting;
  if (temporalStatus === 'RUNNING' && source === 'memo') {
    throw new CommandError(
      EXIT.infrastructure,
      'noWorker',
      `No worker answers, so what ${gate ?? 'the gate'} is bound to cannot be shown. Start one: headgate worker`,
    );
  }
  if (!waiting?.gate) {
    throw new CommandError(
      EXIT.refused,
      'refused',
      `No gate of ${application} waits for ${name}. See: headgate status ${application}`,
    );
  }
  return waiting;
}

/** `approval` names `production/approval`. */
function gateName(gate: string | undefined, waiting: Waiting): string {
  const there = waiting.gate ?? '';
  if (gate === undefined || there.endsWith(`/${gate}`)) return there;
  return gate;
}

/** Over what is shown here: when it has changed since, the signature is worth nothing. */
async function signatureOf(
  { application, runId }: RolloutState,
  { gate = '', evidence }: Waiting,
  { answer: given, by, reason, key }: ApprovalOptions & Pick<SignedAnswer, 'answer' | 'by'>,
): Promise<{ signature?: string }> {
  if (key === undefined) return {};
  const evidenceSha256 = evidence?.sha256 ?? '';
  const text = textOfAnswer({ answer: given, application, runId, gate, evidenceSha256, by, reason });
  return { signature: await sign(key, text) };
}

async function confirm(name: string, waiting: Waiting): Promise<void> {
  if (!process.stdin.isTTY) {
    throw usage(
      `Nobody can be asked here. To ${name} from a script: --digest ${waiting.digest} --yes, when that is what you mean.`,
    );
  }
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await ask.question(`${name} ${waiting.gate}? Type "yes": `);
    if (said.trim() !== 'yes') throw usage('Nothing was sent.');
  } finally {
    ask.close();
  }
}
