/** What one part of a plan says of another: probes that are used, steps that are named, releases that are judged. */

import { parseDuration } from './duration.js';
import type { FaultInput } from './fault-list.js';
import type { PlanNode } from './node.js';
import { findReferences, kindsIn } from './references.js';
import type { Json } from './resolved.js';
import { traitsOf } from './step-schema.js';
import { adviseName, listWords } from './suggest.js';
import {
  deployFor,
  fullName,
  hasLogSource,
  isStaged,
  logOf,
  type PlanView,
  type StepView,
  viewDeploys,
} from './view.js';

export function lintUses(view: PlanView): void {
  lintProbeNames(view);
  lintSteps(view);
  for (const deploy of view.stages.flatMap(viewDeploys)) {
    lintStrategy(view, deploy);
    lintPromotion(view, deploy);
    lintArguments(view, deploy.targetConfig);
  }
  for (const { kind, config } of view.stages.flatMap(({ steps }) => steps)) {
    if (kind === 'run') lintArguments(view, config);
  }
  for (const probe of view.probes.values()) {
    for (const { stage, node } of probe.instances) {
      if (stage) lintRelease(view, node, stage);
      lintArguments(view, node.get('logs'));
      lintArguments(view, node.get('command'));
    }
  }
  lintLogs(view);
  lintLoadTestProbes(view);
}

function addOnce({ faults }: PlanView, fault: FaultInput): void {
  if (!faults.covers(fault.path)) faults.add(fault);
}

function lintProbeNames(view: PlanView): void {
  const names = [...view.probes.keys()];
  const seen = new Set<string>();
  for (const { name, node, step, list } of view.uses) {
    const path = node.text() === undefined ? [...node.path, 'probe'] : node.path;
    if (!view.probes.has(name)) {
      addOnce(view, {
        code: 'unknownProbe',
        path,
        message: `There is no probe "${name}".`,
        expected:
          names.length === 0 ? 'a probe that is declared under probes' : `a probe: ${listWords(names)}`,
        found: name,
        fix: adviseName(name, names, `Declare ${name} under probes.`),
      });
    }
    const use = `${fullName(step)} ${step.index} ${list} ${name}`;
    if (seen.has(use)) {
      addOnce(view, {
        code: 'repeatedProbe',
        path,
        message: `Probe ${name} stands twice in ${list} of ${fullName(step)}.`,
        expected: 'each probe once in a list',
        found: name,
        fix: 'Remove one of the two.',
      });
    }
    seen.add(use);
  }
}

function lintSteps(view: PlanView): void {
  for (const { steps } of view.stages) {
    for (const step of steps) {
      for (const node of step.config?.get('startsFrom')?.items() ?? []) lintStartsFrom(view, step, node);
      if (step.kind === 'monitor') lintDelays(view, step);
    }
  }
}

function lintStartsFrom(view: PlanView, step: StepView, node: PlanNode): void {
  const wanted = node.text();
  if (wanted === undefined) return;
  const others = step.stage.steps.filter((other) => other.id !== undefined && other !== step);
  const found = others.find((other) => other.id === wanted || fullName(other) === wanted);
  const earlier = others.filter((other) => other.index < step.index).flatMap(({ id }) => id ?? []);
  if (!found) {
    const fix = adviseName(wanted, earlier, 'Name an earlier step of the same stage by its id.');
    addOnce(view, {
      code: 'unknownStep',
      path: node.path,
      message: `Stage ${step.stage.name ?? ''} has no step "${wanted}".`,
      expected:
        earlier.length === 0
          ? 'an earlier step of the stage; there is none'
          : `an earlier step: ${listWords(earlier)}`,
      found: wanted,
      fix,
    });
  } else if (found.index > step.index) {
    addOnce(view, {
      code: 'laterStep',
      path: node.path,
      message: `"${wanted}" comes after this step, so a release cannot start from it.`,
      expected: earlier.length === 0 ? 'an earlier step; there is none' : listWords(earlier),
      found: wanted,
      fix: `Move ${wanted} before ${step.id ?? 'this step'}, or remove it here.`,
    });
  }
}

/** A probe that is due for the first time when the watching is over would never be taken. */
function lintDelays(view: PlanView, step: StepView): void {
  const lasts = parseDuration(step.config?.get('for')?.text() ?? '');
  if (lasts === undefined) return;
  const nodes = [step.config, ...(step.config?.get('probes')?.items() ?? [])];
  for (const node of nodes) {
    const delay = node?.get('initialDelay');
    const first = parseDuration(delay?.text() ?? '');
    if (!delay || first === undefined || first < lasts) continue;
    addOnce(view, {
      code: 'neverSampled',
      path: delay.path,
      message: `The first measurement is due when the monitor is over (it lasts ${step.config?.get('for')?.text()}).`,
      expected: `less than ${step.config?.get('for')?.text()}`,
      found: delay.text(),
      fix: 'Shorten the delay or watch for longer.',
    });
  }
}

function lintStrategy(view: PlanView, { step, target = '' }: ReturnType<typeof viewDeploys>[number]): void {
  const strategy = step.config?.get('strategy');
  const wanted = strategy?.text();
  const known: readonly string[] = traitsOf(target)?.strategies ?? [];
  if (!strategy || wanted === undefined || known.length === 0 || known.includes(wanted)) return;
  addOnce(view, {
    code: 'noStrategy',
    path: strategy.path,
    message: `The target ${target} knows no strategy ${wanted}.`,
    expected: `strategy: ${listWords([...known])}`,
    found: wanted,
    fix: `Write strategy: ${known[0]}, or use a target that knows ${wanted}.`,
  });
}

function lintPromotion(view: PlanView, deploy: ReturnType<typeof viewDeploys>[number]): void {
  const { step, target, targetConfig } = deploy;
  if (target === undefined || !targetConfig) return;
  const before = step.config?.get('beforePromotion');
  if (!isStaged(deploy) && before && before.items().length > 0) {
    view.faults.add({
      code: 'notStaged',
      path: before.path,
      atKey: true,
      message: `Target ${target} is opaque here: there is no release that could be judged before it takes traffic.`,
      expected:
        target === 'command'
          ? 'a command target with prepare and restore'
          : 'a staged target: kubernetes with blueGreen, or command with prepare and restore',
      found: target,
      fix:
        target === 'command'
          ? 'Add prepare and restore to the target, or move the probes to afterPromotion.'
          : 'Move the probes to afterPromotion.',
    });
  }
  const startsFrom = step.config?.get('startsFrom');
  if (target === 'command' && !targetConfig.has('restart') && startsFrom && startsFrom.items().length > 0) {
    view.faults.add({
      code: 'cannotRestart',
      path: startsFrom.path,
      atKey: true,
      message:
        'The way back has to start the old release again from what is restored, and the target has no restart.',
      expected: 'restart beside promote',
      fix: 'Add restart: […] to the command target.',
    });
  }
}

/** What is an argument of a program can be read by everybody on the machine. */
function lintArguments(view: PlanView, config: PlanNode | undefined): void {
  for (const { text, node } of config?.texts() ?? []) {
    if (typeof node.path.at(-1) !== 'number') continue;
    const secret = findReferences(text).find(({ kind }) => kind === 'env' || kind === 'secret');
    if (!secret) continue;
    addOnce(view, {
      code: 'secretArgument',
      path: node.path,
      message: `${secret.whole} would become a program's argument, which everybody on the machine can read.`,
      expected: 'arguments without ${env:…} and ${secret:…}',
      found: secret.whole,
      fix: 'Let the program read the value itself, from its environment or the store.',
    });
  }
}

function lintRelease(view: PlanView, node: PlanNode, stage: PlanView['stages'][number]): void {
  // A misspelt deploy has been answered already.
  if (stage.steps.some(({ kind }) => kind === 'deploy' || kind === undefined)) return;
  const found = node.texts().find(({ text }) => kindsIn(text).includes('release'));
  if (!found) return;
  addOnce(view, {
    code: 'noRelease',
    path: found.node.path,
    message: `Stage ${stage.name ?? ''} deploys nothing, so there is no release to ask.`,
    expected: 'a stage with a deploy, or an address without ${release:…}',
    found: found.text,
    fix: 'Write the address out, or use the probe in a stage that deploys.',
  });
}

function lintLogs(view: PlanView): void {
  for (const { name, step } of view.uses) {
    const probe = view.probes.get(name);
    const logs = probe?.instances.find(({ stage }) => stage === step.stage)?.node.get('logs');
    if (!logs || hasLogSource((key) => logs.has(key))) continue;
    const deploy = deployFor(step);
    const told = deploy && logOf(deploy);
    if (told) lintFollowed(view, logs, told);
    if (told) continue;
    addOnce(view, {
      code: 'noLogs',
      path: logs.path,
      message: `The log of probe ${name} cannot be found: the deploy target of stage ${step.stage.name ?? ''} tells none.`,
      expected: 'a source (file, command, kubernetes, pm2, journald, compose), or a deploy target with logs',
      fix: 'Add file: … or another source here, or logs: […] to the command target.',
    });
  }
}

/** What the target tells may be a log that nothing would tell of a change. */
function lintFollowed(view: PlanView, logs: PlanNode, told: { [key: string]: Json }): void {
  const follow = logs.get('follow');
  const isFollowed = 'kubernetes' in told || 'journald' in told;
  if (follow?.value !== true || isFollowed) return;
  addOnce(view, {
    code: 'noStream',
    path: follow.path,
    message: 'The log that the deploy target tells cannot be followed.',
    expected: 'a log that can be followed: file, kubernetes, journald, or pm2 without ssh',
    fix: 'Leave follow out, and the log is sampled; or name a source here.',
  });
}

function lintLoadTestProbes(view: PlanView): void {
  const steps = view.stages.flatMap(({ steps: all }) => all);
  for (const { name, step } of view.uses) {
    const node = view.probes.get(name)?.instances[0]?.node.at('loadTest', 'step');
    const wanted = node?.text();
    if (!node || wanted === undefined) continue;
    const found = steps.findIndex((other) => other.kind === 'loadTest' && fullName(other) === wanted);
    const tests = steps.filter(({ kind }) => kind === 'loadTest').map(fullName);
    if (found >= 0 && found < steps.indexOf(step)) continue;
    addOnce(view, {
      code: found < 0 ? 'unknownStep' : 'laterStep',
      path: node.path,
      message:
        found < 0 ? `There is no loadTest step "${wanted}".` : `${wanted} runs after ${fullName(step)}.`,
      expected: tests.length === 0 ? 'a loadTest step; there is none' : listWords(tests),
      found: wanted,
      fix: adviseName(wanted, tests, 'Name an earlier loadTest step in full: staging/loadTest.'),
    });
  }
}
