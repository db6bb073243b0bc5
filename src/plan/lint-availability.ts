/** What a plan asks for that this version does not carry out: no fault of the plan, but a start is refused. */
import { AVAILABLE, isAvailable, type Sort } from './availability.js';
import type { FaultInput } from './fault-list.js';
import type { Path } from './faults.js';
import { NOTIFIER_KINDS } from './schema.js';
import { listWords } from './suggest.js';
import { kindOf, type PlanView, viewDeploys } from './view.js';

export function listUnavailable({ root, stages, probes, uses }: PlanView): FaultInput[] {
  const found: FaultInput[] = [];
  for (const node of root.get('notify')?.items() ?? []) {
    const kind = kindOf(node, NOTIFIER_KINDS);
    if (kind !== undefined) check('notifier', kind, [...node.path, kind]);
  }
  const used = new Set(uses.map(({ name }) => name));
  for (const { name, kind } of probes.values()) {
    if (kind !== undefined && used.has(name)) check('probe', kind, ['probes', name, kind]);
  }
  for (const { steps } of stages) {
    for (const { kind, config } of steps) {
      if (kind !== 'approval') continue;
      for (const key of ['approvers', 'notInitiator']) {
        const wanted = config?.get(key);
        if (wanted && wanted.value !== false) found.push(needsIdentity(key, wanted.path));
      }
    }
  }
  for (const { target, targetConfig, step } of stages.flatMap(viewDeploys)) {
    if (target !== undefined && targetConfig) check('target', target, targetConfig.path);
    const strategy = step.config?.get('strategy');
    if (strategy?.text() !== undefined) check('strategy', strategy.text() ?? '', strategy.path, false);
  }
  return found;

  function check(sort: Sort, kind: string, path: Path, atKey = true): void {
    if (isAvailable(sort, kind)) return;
    const available = Object.entries(AVAILABLE[sort]).flatMap(([name, is]) => (is ? [name] : []));
    found.push({
      code: 'notAvailable',
      path,
      atKey,
      message: `The ${sort} ${kind} is not available in this version.`,
      expected: `a ${sort} that this version carries out: ${listWords(available)}`,
      found: kind,
      fix: `Use another ${sort}, or a version of Headgate that has ${kind}.`,
    });
  }
}

function needsIdentity(key: string, path: Path): FaultInput {
  return {
    code: 'needsIdentity',
    path,
    atKey: true,
    message: `${key} needs verified identities, and this version knows only names that people type.`,
    expected: `an approval without ${key}`,
    fix: `Remove ${key}; who answered is recorded, as unverified.`,
  };
}
