/** Which effects can be taken back, and what has to be measured because terraform's own word is not enough. */
import { listWords } from './suggest.js';
import { fullName, type PlanView, type StepView } from './view.js';

interface WayBack {
  /** Why there is no way back. */
  why: string;
  allowed: string[];
  fix: string;
}

export function lintRollback(view: PlanView): void {
  for (const step of view.stages.flatMap(({ steps }) => steps)) {
    const wayBack = missingWayBack(step);
    const given = step.node.get('onRollback');
    const wanted = given?.text();
    if (!wayBack || !given || wanted === undefined || wayBack.allowed.includes(wanted)) continue;
    view.faults.add({
      code: 'cannotRevert',
      path: given.path,
      message: `${fullName(step)} cannot be taken back: ${wayBack.why}.`,
      expected: `onRollback: ${listWords(wayBack.allowed)}`,
      found: wanted,
      fix: wayBack.fix,
    });
  }
}

function missingWayBack({ kind, config }: StepView): WayBack | undefined {
  if (kind === 'reboot') {
    return { why: 'a restart is over when it is over', allowed: ['keep'], fix: 'Write onRollback: keep.' };
  }
  if ((kind !== 'infra' && kind !== 'run') || config?.has('undo')) return undefined;
  return {
    why: 'it declares no undo',
    allowed: ['keep', 'ask'],
    fix:
      kind === 'infra'
        ? 'Add undo: { vars: … } with the values of before, or write onRollback: keep.'
        : 'Add undo: […] with the command that takes it back, or write onRollback: keep.',
  };
}

/** Kinds whose probes ask the thing itself. */
const PROBING = new Set(['check', 'deploy', 'reboot', 'monitor', 'loadTest']);

/** Terraform killed hard may have recorded a change that never ran: only a probe can tell. */
export function warnOfUnprobedInfra({ stages, uses, faults }: PlanView): void {
  for (const { steps } of stages) {
    for (const step of steps) {
      if (step.kind !== 'infra') continue;
      const isProbed = uses.some(
        (use) =>
          use.step.stage === step.stage &&
          use.step.index > step.index &&
          PROBING.has(use.step.kind ?? '') &&
          steps.includes(use.step),
      );
      if (isProbed) continue;
      faults.warn({
        code: 'unprobedInfra',
        path: step.node.path,
        message: `No probe of the stage measures what ${fullName(step)} has changed.`,
        expected: 'a check after it, or a reboot with verify',
        fix: 'Add a check whose probe asks the changed thing itself.',
      });
    }
  }
}
