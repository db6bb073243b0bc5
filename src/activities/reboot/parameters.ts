/** What a reboot would put in force: what the parameter group says against what the database runs with. Pure. */
import { judge } from '../../adapters/probes/judge.js';
import type { Expectation, Json, RebootStep } from '../../plan/resolved.js';
import { refused } from '../../platform/failures.js';
import type { RdsParameter } from '../../tools/aws/rds.js';

const LOWERED = 'max_connections';

/** A static parameter of which configuration and database say something else. */
export interface PendingParameter {
  name: string;
  inForce: string;
  configured: string;
}

/** What the step's `verify` expects of a parameter of this very instance. */
export interface ExpectedParameter {
  probe: string;
  name: string;
  expect: Expectation[];
}

/** By name. Formulas and words are not compared: RDS and PostgreSQL write them differently (`1` and `on`). */
export function listPending(
  configured: RdsParameter[],
  settings: Record<string, string>,
): PendingParameter[] {
  const pending = configured.flatMap(({ name, value, applyType }): PendingParameter[] => {
    const inForce = settings[name];
    if (applyType !== 'static' || !isFigure(value) || !isFigure(inForce)) return [];
    return Number(value) === Number(inForce) ? [] : [{ name, inForce, configured: value }];
  });
  return pending.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function listExpected({ config: { verify, rdsInstance } }: RebootStep): ExpectedParameter[] {
  return verify.flatMap(({ name: probe, kind, config, expect }): ExpectedParameter[] => {
    const { instance, name } = config;
    if (kind !== 'rdsParameter' || instance !== rdsInstance || typeof name !== 'string') return [];
    return [{ probe, name, expect: expect.filter(({ path }) => path === 'effective') }];
  });
}

/** A line for each expectation that what is in force does not meet. */
export function describeUnmet(expected: ExpectedParameter[], settings: Record<string, string>): string[] {
  return expected.flatMap(({ name, expect }) => {
    const inForce = settings[name];
    if (inForce === undefined) return [];
    const sample = { kind: 'sample', value: { effective: typed(inForce) } } as const;
    const unmet = expect.filter(
      (each) => judge({ name, expect: [each] }, sample, { at: '', durationMs: 0 }).outcome !== 'pass',
    );
    return unmet.map(
      (each) =>
        `${name} is ${inForce} in force, expected ${conditionOf(each)}: only this reboot makes it true`,
    );
  });
}

/** @throws Refused when less connections than now would be in force: those that are served would be turned away */
export function refuseLowering(
  step: RebootStep,
  settings: Record<string, string>,
  configured: RdsParameter[],
): void {
  const inForce = settings[LOWERED];
  if (!isFigure(inForce)) return;
  const { rdsInstance } = step.config;
  const lowers = (value: unknown) => isFigure(value) && Number(value) < Number(inForce);
  const why = (value: string, who: string) =>
    refused(
      `${step.name} would lower ${LOWERED} of ${rdsInstance} from ${inForce}, which is in force, to ${value} (${who}): connections that are served now would be turned away. Set it to ${inForce} or more there, or lower it by hand first.`,
      { instance: rdsInstance, parameter: LOWERED, inForce: Number(inForce), wanted: Number(value) },
    );
  const pending = configured.find(({ name, applyType }) => name === LOWERED && applyType === 'static');
  if (lowers(pending?.value)) throw why(String(pending?.value), 'its parameter group says so');
  for (const { probe, name, expect } of listExpected(step)) {
    const wanted = expect.find(({ equals }) => lowers(String(equals)));
    if (name === LOWERED && wanted) throw why(String(wanted.equals), `probe ${probe} expects it`);
  }
}

/** Static parameters whose change nobody has announced with an expectation: an approval is bound to their values. */
export function listUnannounced(configured: RdsParameter[], expected: ExpectedParameter[]) {
  const announced = new Set(expected.map(({ name }) => name));
  const others = configured.filter(({ name, applyType }) => applyType === 'static' && !announced.has(name));
  return Object.fromEntries(others.map(({ name, value }) => [name, value ?? null]));
}

function isFigure(value: unknown): value is string {
  return typeof value === 'string' && /^\d+$/.test(value);
}

function typed(value: string): Json {
  return isFigure(value) ? Number(value) : value;
}

const SIGNS = { equals: '', matches: 'to match ', lt: '< ', lte: '<= ', gt: '> ', gte: '>= ' } as const;

function conditionOf(expectation: Expectation): string {
  const names = ['equals', 'matches', 'gt', 'gte', 'lt', 'lte'] as const;
  const given = names.filter((name) => expectation[name] !== undefined);
  return given.map((name) => `${SIGNS[name]}${String(expectation[name])}`).join(' and ');
}
