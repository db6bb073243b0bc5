/** What a schema cannot say: exactly one of several keys, names that are taken, expectations without a condition. */
import type { PlanNode } from './node.js';
import { PROBE_KINDS } from './probe-schema.js';
import { NOTIFIER_KINDS } from './schema.js';
import { CONDITIONS } from './schema-parts.js';
import { STEP_KINDS, TARGET_KINDS } from './step-schema.js';
import { listWords } from './suggest.js';
import type { PlanView } from './view.js';

export function lintStructure(view: PlanView): void {
  const { root, stages, probes, faults } = view;
  for (const node of root.get('notify')?.items() ?? [])
    requireOne('A notifier', node, Object.keys(NOTIFIER_KINDS));
  for (const { node } of root.get('probes')?.entries() ?? [])
    requireOne('A probe', node, Object.keys(PROBE_KINDS));
  for (const { steps } of stages) {
    for (const { node, kind, config } of steps) {
      requireOne('A step', node, Object.keys(STEP_KINDS));
      if (!config) continue;
      if (kind === 'deploy') requireOne('A deploy', config, Object.keys(TARGET_KINDS));
      if (kind === 'config') requireOne('A config step', config, ['ssh', 'local']);
      if (kind === 'infra') requireOne('An infra step', config, ['terraform', 'tofu']);
      if (kind === 'git') requireAny('A git step', config, ['paths', 'tag']);
      const ssh = kind === 'deploy' ? config.get('ssh') : undefined;
      if (ssh) requireOne('A target over SSH', ssh, ['pm2', 'systemd', 'compose']);
    }
  }
  for (const { instances } of probes.values()) {
    const http = instances[0]?.node.get('http');
    if (http) requireAtMostOne('A request', http, ['body', 'bodyFile']);
    const logs = instances[0]?.node.get('logs');
    if (logs) requireAtMostOne('A log', logs, ['file', 'command']);
  }
  lintNames(view);
  lintExpectations(view);

  function requireOne(title: string, node: PlanNode, kinds: string[]): void {
    // What is no map has been told so.
    if (faults.covers(node.path)) return;
    const present = node.keys().filter((key) => kinds.includes(key));
    // A misspelt kind has been answered already.
    if (present.length === 0 && node.keys().some((key) => faults.covers([...node.path, key]))) return;
    if (present.length === 0) {
      faults.add({
        code: 'noKind',
        path: node.path,
        message: `${title} has to say what it is.`,
        expected: `exactly one of ${listWords(kinds)}`,
        found: node.keys().join(', ') || 'nothing',
        fix: `Add one of ${listWords(kinds)}.`,
      });
    }
    requireAtMostOne(title, node, kinds);
  }

  function requireAny(title: string, node: PlanNode, keys: string[]): void {
    if (faults.covers(node.path) || node.keys().some((key) => keys.includes(key))) return;
    faults.add({
      code: 'oneOf',
      path: node.path,
      message: `${title} has nothing to do.`,
      expected: `at least one of ${listWords(keys)}`,
      fix: `Add ${listWords(keys)}.`,
    });
  }

  function requireAtMostOne(title: string, node: PlanNode, keys: string[]): void {
    const present = node.keys().filter((key) => keys.includes(key));
    const second = present[1];
    if (second === undefined) return;
    faults.add({
      code: 'severalKinds',
      path: [...node.path, second],
      atKey: true,
      message: `${title} cannot be ${listWords(present, 'and')} at once.`,
      expected: `exactly one of ${listWords(keys)}`,
      found: listWords(present, 'and'),
      fix: `Keep ${present[0]} here and write the rest as an entry of its own.`,
    });
  }
}

function lintNames({ stages, faults }: PlanView): void {
  const stageNames = new Set<string>();
  for (const { name, node, steps } of stages) {
    if (name !== undefined && stageNames.has(name)) addRepeated([...node.path, 'name'], name, 'stage');
    if (name !== undefined) stageNames.add(name);
    const ids = new Set<string>();
    for (const step of steps) {
      if (step.id === undefined) continue;
      const place = step.node.has('id') ? 'id' : (step.kind ?? 'id');
      if (ids.has(step.id)) addRepeated([...step.node.path, place], step.id, 'step');
      ids.add(step.id);
    }
  }

  function addRepeated(path: (string | number)[], name: string, what: string): void {
    faults.add({
      code: 'repeatedName',
      path,
      atKey: path.at(-1) !== 'name' && path.at(-1) !== 'id',
      message: `There is a ${what} "${name}" already${what === 'step' ? ' in this stage' : ''}.`,
      expected: `a name that no other ${what} has`,
      found: name,
      fix: what === 'step' ? 'Give one of the two an id of its own.' : 'Rename one of the two.',
    });
  }
}

function lintExpectations({ stages, probes, faults }: PlanView): void {
  for (const { kind, instances } of probes.values()) {
    const expect = instances[0]?.node.get('expect');
    for (const node of expect?.itemsOrSelf() ?? []) {
      requireCondition(node);
      if (kind === 'loadTest') requireMetric(node);
      else if (kind !== undefined && node.has('metric')) addMetricOutOfPlace(node);
    }
  }
  for (const { steps } of stages) {
    for (const { kind, config } of steps) {
      if (kind !== 'loadTest') continue;
      for (const node of config?.get('expect')?.itemsOrSelf() ?? []) {
        requireCondition(node);
        requireMetric(node);
        refuseAggregate(node);
      }
    }
  }

  function requireCondition(node: PlanNode): void {
    // A misspelt condition has been answered already.
    if (node.keys().some((key) => faults.covers([...node.path, key]))) return;
    if (node.keys().length === 0 || node.keys().some((key) => CONDITIONS.some((word) => word === key)))
      return;
    faults.add({
      code: 'noCondition',
      path: node.path,
      message: 'This expectation has no condition; a gate never passes for want of evidence.',
      expected: `one of ${listWords(CONDITIONS)} beside path`,
      found: node.keys().join(', '),
      fix: 'Add what the value has to be, for example equals: 50 or lt: 0.01.',
    });
  }

  function requireMetric(node: PlanNode): void {
    if (node.has('metric') || node.keys().length === 0) return;
    faults.add({
      code: 'noMetric',
      path: node.path,
      message: 'An expectation of a load test has to name a k6 metric.',
      expected: 'metric, such as http_req_duration, http_req_failed, checks or one of the script',
      fix: 'Add metric: … beside path.',
    });
  }

  function addMetricOutOfPlace(node: PlanNode): void {
    faults.add({
      code: 'unknownKey',
      path: [...node.path, 'metric'],
      atKey: true,
      message: 'metric names a figure of k6; this probe is no load test.',
      expected: 'path and a condition',
      found: 'metric',
      fix: 'Remove metric; path says where in the sample the value is.',
    });
  }

  function refuseAggregate(node: PlanNode): void {
    if (!node.has('aggregate')) return;
    faults.add({
      code: 'uselessAggregate',
      path: [...node.path, 'aggregate'],
      atKey: true,
      message: 'k6 has summed up its figures already; there is nothing to aggregate.',
      expected: 'a path of the k6 summary, such as "p(95)", rate, count or avg',
      found: 'aggregate',
      fix: 'Remove aggregate and name the figure in path: "p(95)".',
    });
  }
}
