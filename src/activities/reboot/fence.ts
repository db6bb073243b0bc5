/** Does the parameter group still say what it said after the reboot? */
import type { ParametersMade } from '../../contract/activities.js';
import { sizeOf } from '../../contract/fit.js';
import { digestJson } from '../../plan/canonical.js';
import type { RebootStep } from '../../plan/resolved.js';
import type { Rds } from '../../tools/aws/rds.js';
import type { Reading } from '../fences.js';

const LARGEST_VALUES = 1536;
const MOST_NAMED = 5;

/** `pends`: something of it waits for a reboot. */
export async function readParameters(
  rds: Rds,
  { config: { rdsInstance: instance, region } }: RebootStep,
): Promise<{ now: ParametersMade; pends: boolean }> {
  const { parameterGroup, parameterApplyStatus } = await rds.describeInstance({ instance, region });
  const all = await rds.listUserParameters({ instance, region, parameterGroup });
  const values = Object.fromEntries(
    all.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, value }) => [name, value ?? '']),
  );
  return {
    now: { kind: 'parameters', group: parameterGroup, sha256: digestJson(values), values: fitValues(values) },
    pends: parameterApplyStatus === 'pending-reboot',
  };
}

export async function readGroup(
  rds: Rds,
  { step, made }: { step: RebootStep; made: ParametersMade },
): Promise<Reading> {
  const { now, pends } = await readParameters(rds, step);
  if (now.group === made.group && now.sha256 === made.sha256) return undefined;
  const what = `parameters of ${step.config.rdsInstance}`;
  if (now.group !== made.group) return { what, expected: made.group, found: now.group, now };
  const names = [...new Set([...Object.keys(made.values), ...Object.keys(now.values)])].filter(
    (name) => made.values[name] !== now.values[name],
  );
  const waits = pends ? ', which waits for a reboot' : '';
  return { what, expected: show(names, made), found: `${show(names, now)}${waits}`, now };
}

function show(names: string[], { group, values, sha256 }: ParametersMade): string {
  if (names.length === 0) return `${group} as of ${sha256.slice(0, 12)}`;
  return names
    .slice(0, MOST_NAMED)
    .map((name) => `${name} = ${values[name] ?? 'not set'}`)
    .join(', ');
}

function fitValues(values: Record<string, string>): Record<string, string> {
  const fitting: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (sizeOf({ ...fitting, [name]: value }) <= LARGEST_VALUES) fitting[name] = value;
  }
  return fitting;
}
