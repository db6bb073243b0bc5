/** What a plan must not hold, and what whoever approves it should know. Pure. */
import type { InfraInput } from '../../contract/activities.js';
import { adviseName, listWords } from '../../plan/suggest.js';
import { invalid, refused } from '../../platform/failures.js';
import type { PlannedChange } from '../../tools/terraform/plan.js';
import type { LookedPlan } from './call.js';
import { refusedChanges } from './policy.js';

/** terraform exits 0 when a target matches nothing, and only warns about a variable that nobody declares. */
export function requireKnownNames({ step }: InfraInput, plan: LookedPlan): void {
  const { tool, directory, vars, undo, targets } = step.config;
  const declared = Object.keys(plan.variables);
  const names = [...Object.keys(vars), ...Object.keys(undo?.vars ?? {})];
  const undeclared = names.find((name) => !declared.includes(name));
  if (undeclared !== undefined) {
    const otherwise = `It declares ${listWords(declared, 'and')}.`;
    throw invalid(
      `${step.name}: ${directory} declares no variable "${undeclared}". ${adviseName(undeclared, declared, otherwise)}`,
    );
  }
  const missed = targets.find((target) => !plan.addresses.some((address) => covers(target, address)));
  if (missed === undefined) return;
  const otherwise = `There are ${listWords(plan.addresses, 'and')}.`;
  throw refused(
    `${step.name}: the target "${missed}" matches nothing in ${directory}, and ${tool} would take that for "nothing to do". ${adviseName(missed, plan.addresses, otherwise)}`,
  );
}

/** A module covers what is in it, a resource its instances. */
function covers(target: string, address: string): boolean {
  return address === target || address.startsWith(`${target}.`) || address.startsWith(`${target}[`);
}

/** @throws ApplicationFailure `Refused` that names what would be lost */
export function requireAllowed({ step }: InfraInput, changes: PlannedChange[], own: string[] = []): void {
  const lost = refusedChanges(changes, step.config.allow, own);
  if (lost.length === 0) return;
  const addresses = [...new Set(lost.map(({ resource }) => resource))];
  throw refused(
    `${step.name}: ${lost.map(({ line }) => line).join('; ')}. Destroying and replacing has to be allowed: add ${listWords(addresses, 'and')} to "allow" of the step, if that is meant.`,
  );
}

export function warningsOf({ step }: InfraInput, plan: LookedPlan, undone: LookedPlan | undefined): string[] {
  const { vars, undo, allow } = step.config;
  const created = plan.changes.filter(({ kind, action }) => kind === 'resource' && action === 'create');
  const stuck = undo ? created.filter(({ resource }) => !allow.includes(resource)) : [];
  const notRestored = (undone?.changes ?? []).filter(({ kind }) => kind === 'resource');
  return [
    ...plan.drift.map(
      (line) => `${step.name}: changed outside of the configuration since the last apply: ${line}`,
    ),
    ...plan.pendingReboot.map(
      (address) =>
        `${step.name}: ${address} takes effect with the next reboot only (apply_method "pending-reboot"): this apply changes nothing in force, a reboot step has to follow`,
    ),
    ...notRestored.map(
      ({ line }) =>
        `${step.name}: the declared undo does not bring back what is there now, it would change: ${line}`,
    ),
    ...stuck.map(
      ({ resource }) =>
        `${step.name}: ${resource} is created, and an undo may not destroy it: "allow" does not name it`,
    ),
    ...exposed({ ...vars, ...undo?.vars }, plan.variables).map(
      (name) =>
        `${step.name}: the variable "${name}" is given a value of the worker's, but is not declared sensitive: terraform shows it in plans. Declare it with sensitive = true`,
    ),
    ...plan.warnings
      .filter((warning) => !warning.startsWith('Resource targeting is in effect'))
      .map((warning) => `${step.name}: ${warning.replace(/\s+/g, ' ')}`),
  ];
}

function exposed(
  vars: Record<string, string | number | boolean>,
  declared: LookedPlan['variables'],
): string[] {
  return Object.entries(vars).flatMap(([name, value]) =>
    /\$\{(env|secret):/.test(String(value)) && !declared[name]?.sensitive ? [name] : [],
  );
}
