/** What is allowed and yet probably not meant. */
import { parseDuration } from './duration.js';
import { warnOfUnprobedInfra } from './lint-rollback.js';
import type { PlanNode } from './node.js';
import { findReferences } from './references.js';
import type { Variables } from './variables.js';
import { fullName, type PlanView, type StepView, viewDeploys } from './view.js';

const CHANGING = new Set(['config', 'secret', 'infra', 'reboot', 'git', 'deploy', 'run']);
const READING_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const LIMIT_KEYS = [
  'interval',
  'initialDelay',
  'failureLimit',
  'consecutiveFailureLimit',
  'inconclusiveLimit',
  'consecutiveErrorLimit',
];

export function warnOf(view: PlanView, variables: Variables): void {
  warnOfUnused(view, variables);
  warnOfUnapproved(view);
  warnOfUnprobedInfra(view);
  warnOfLimits(view);
  warnOfIntervals(view);
  warnOfWrites(view);
  warnOfDeploys(view);
  warnOfBudget(view);
  warnOfDeadline(view);
  warnOfSecrets(view);
}

function warnOfUnused(view: PlanView, variables: Variables): void {
  const used = new Set(view.uses.map(({ name }) => name));
  for (const { key, node } of view.root.get('probes')?.entries() ?? []) {
    if (used.has(key)) continue;
    view.faults.warn({
      code: 'unusedProbe',
      path: node.path,
      atKey: true,
      message: `Probe ${key} is used by no step.`,
      expected: 'a step that uses it',
      fix: 'Use it, or remove it.',
    });
  }
  const declarations = [view.root, ...view.stages.map(({ node }) => node)];
  for (const { key, node } of declarations.flatMap((owner) => owner.get('vars')?.entries() ?? [])) {
    if (variables.used.has(key)) continue;
    view.faults.warn({
      code: 'unusedVariable',
      path: node.path,
      atKey: true,
      message: `Variable ${key} is used nowhere.`,
      expected: `\${var:${key}} somewhere`,
      fix: 'Use it, or remove it.',
    });
  }
}

/** The first stage is where a change proves itself; from the second on somebody should have looked. */
function warnOfUnapproved({ stages, faults }: PlanView): void {
  let approved = false;
  for (const [index, { steps, name }] of stages.entries()) {
    for (const step of steps) {
      if (step.kind === 'approval') approved = true;
      if (index === 0 || approved || !CHANGING.has(step.kind ?? '')) continue;
      faults.warn({
        code: 'unapprovedChange',
        path: step.node.path,
        message: `${fullName(step)} changes stage ${name ?? ''} without an approval before it.`,
        expected: 'an approval step before the first change of the stage',
        fix: 'Add "- approval: { timeout: 24h, approvals: 1 }" before it.',
      });
      break;
    }
  }
}

function warnOfLimits({ uses, faults }: PlanView): void {
  for (const { node, step, name } of uses) {
    const [limit] = LIMIT_KEYS.filter((key) => node.has(key));
    if (step.kind === 'monitor' || limit === undefined) continue;
    faults.warn({
      code: 'ignoredLimit',
      path: [...node.path, limit],
      atKey: true,
      message: `${limit} of ${name} has no effect in a ${step.kind ?? 'step'}.`,
      expected: 'limits in a monitor only',
      fix: 'Remove it.',
    });
  }
}

/** Its first sample is all that such a probe has to say. */
function warnOfIntervals({ stages, faults }: PlanView): void {
  for (const { kind, config } of stages.flatMap(({ steps }) => steps)) {
    const lasts = parseDuration(config?.get('for')?.text() ?? '');
    if (kind !== 'monitor' || lasts === undefined) continue;
    for (const node of [config, ...(config?.get('probes')?.items() ?? [])]) {
      const interval = node?.get('interval');
      const every = parseDuration(interval?.text() ?? '');
      if (!interval || every === undefined || every <= lasts) continue;
      faults.warn({
        code: 'sampledOnce',
        path: interval.path,
        message: `The interval is longer than the monitor lasts: it is measured once, at the beginning.`,
        expected: `at most ${config?.get('for')?.text()}`,
        found: interval.text(),
        fix: 'Shorten the interval or watch for longer.',
      });
    }
  }
}

function warnOfWrites(view: PlanView): void {
  const told = new Set<string>();
  for (const { name, step, list } of view.uses) {
    const method = view.probes.get(name)?.instances[0]?.node.at('http', 'method')?.text() ?? 'GET';
    const repeats = step.kind === 'monitor' || list === 'during';
    if (READING_METHODS.has(method) || !repeats || told.has(name)) continue;
    told.add(name);
    view.faults.warn({
      code: 'probeWrites',
      path: ['probes', name, 'http', 'method'],
      message: `Probe ${name} writes (${method}), and ${fullName(step)} measures again and again.`,
      expected: 'a probe that only reads',
      found: method,
      fix: 'It is sent once and its answer stands for the whole time; use it in a check or after a promotion instead.',
    });
  }
}

function warnOfDeploys({ stages, faults }: PlanView): void {
  for (const { step, target, targetConfig } of stages.flatMap(viewDeploys)) {
    if (target === undefined || !targetConfig) continue;
    const judged = ['beforePromotion', 'afterPromotion'].some(
      (list) => (step.config?.get(list)?.items().length ?? 0) > 0,
    );
    if (judged) continue;
    faults.warn({
      code: 'unjudgedDeploy',
      path: step.node.path,
      message: `${fullName(step)} is judged by no probe: whatever starts is promoted.`,
      expected: 'probes in beforePromotion or afterPromotion',
      fix: 'Add at least a health probe.',
    });
  }
}

function warnOfBudget(view: PlanView): void {
  for (const stage of view.stages) {
    const budget = stage.node.get('connectionBudget');
    const key = budget?.get('poolLimitKey')?.text();
    if (!budget || key === undefined) continue;
    const sets = stage.steps.some((step) => step.config?.get('set')?.has(key));
    const asks = view.uses.some(
      ({ step, name }) =>
        step.stage === stage && view.probes.get(name)?.instances.some(({ node }) => node.has('postgres')),
    );
    if (sets && asks) continue;
    view.faults.warn({
      code: 'budgetUnknown',
      path: [...budget.path, 'poolLimitKey'],
      message: sets
        ? `The budget of stage ${stage.name ?? ''} cannot be measured: no postgres probe names the database.`
        : `No step of stage ${stage.name ?? ''} sets ${key}, so the new pool limit is read from the running release.`,
      expected: sets ? 'a postgres probe in the stage' : `a step that sets ${key}`,
      fix: sets ? 'Add a postgres probe to a step of the stage.' : `Set ${key} in a secret or config step.`,
    });
  }
}

function warnOfDeadline({ root, stages, faults }: PlanView): void {
  const deadline = parseDuration(root.get('deadline')?.text() ?? '12h');
  const lasts = (step: StepView) => parseDuration(step.config?.get('for')?.text() ?? '') ?? 0;
  const total = stages.flatMap(({ steps }) => steps).reduce((sum, step) => sum + lasts(step), 0);
  if (deadline === undefined || total <= deadline) return;
  faults.warn({
    code: 'deadlineTooShort',
    path: ['deadline'],
    message: 'The monitors alone last longer than the deadline: this plan always rolls back.',
    expected: 'a deadline above the sum of all monitors, with time for everything else',
    fix: 'Raise deadline.',
  });
}

/** A plan is kept in git and shown in Temporal's UI. */
function warnOfSecrets({ root, faults }: PlanView): void {
  const secretWord = /pass(word|wd)|secret|token|api_?key|private_?key|routingkey|bearer/i;
  const visit = (node: PlanNode): void => {
    for (const { key, node: child } of node.entries()) {
      const text = child.text();
      const named = secretWord.test(key) && key !== 'secret';
      const isPlain = text !== undefined && text.length >= 8 && findReferences(text).length === 0;
      const inUrl = text !== undefined && /^[a-z]+:\/\/[^/\s:]+:[^@\s$]+@/.test(text);
      if ((named && isPlain) || inUrl) {
        faults.warn({
          code: 'secretInPlan',
          path: child.path,
          message: `${key} looks like a secret that is written out.`,
          expected: 'a reference',
          fix: 'Use "${env:NAME}" or "${secret:ID#KEY}" and change the secret: it has been in a file.',
        });
      }
      visit(child);
    }
    for (const item of node.items()) visit(item);
  };
  visit(root);
}
