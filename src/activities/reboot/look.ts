/** `look` of a reboot: what would come into force, and what would not without it. */
import type { Look, RebootFound, RebootInput } from '../../contract/activities.js';
import { digestJson } from '../../plan/canonical.js';
import { formatDuration } from '../../plan/duration.js';
import type { Rds, RdsInstanceState, RdsParameter } from '../../tools/aws/rds.js';
import type { Clock } from '../clock.js';
import type { Sampler } from '../sampler.js';
import { askDatabase, type DatabaseAnswer } from './database.js';
import {
  describeUnmet,
  listExpected,
  listPending,
  listUnannounced,
  type PendingParameter,
  refuseLowering,
} from './parameters.js';

/** What most instances take; a crash recovery with much to do takes longer. */
const USUAL_MS = 60_000;

export interface RebootDeps {
  rds: Rds;
  sampler: Sampler;
  clock: Clock;
}

export async function lookReboot(
  deps: RebootDeps,
  input: RebootInput,
  signal: AbortSignal,
): Promise<Look<RebootFound>> {
  const { state, configured, database, settings } = await inspect(deps, input, signal);
  refuseLowering(input.step, settings, configured);
  const expected = listExpected(input.step);
  const unannounced = listUnannounced(configured, expected);
  const pending = listPending(configured, settings);
  const pends = state.parameterApplyStatus === 'pending-reboot' || pending.length > 0;
  const startedAt = database?.kind === 'up' ? database.startedAt : undefined;
  const inForce = database?.kind === 'up' ? Number(database.settings.max_connections) : undefined;
  return {
    found: {
      status: state.status,
      parameterGroup: state.parameterGroup,
      pending: pends,
      multiAz: state.multiAz,
      startedAt,
      maxConnections: inForce,
      unannounced,
    },
    changes: [
      pends ? describeRestart(input, state, pending) : describeLater(input, state),
      ...describeUnmet(expected, settings),
    ],
    warnings: listWarnings(input, state, database),
    effect: 'detectable',
    estimateMs: USUAL_MS,
    digest: digestJson({
      instance: state.instance,
      parameterGroup: state.parameterGroup,
      multiAz: state.multiAz,
      startedAt: startedAt ?? null,
      unannounced,
    }),
  };
}

export interface Inspection {
  state: RdsInstanceState;
  /** What somebody has set in its parameter group. */
  configured: RdsParameter[];
  /** Absent without a database to ask. */
  database?: DatabaseAnswer;
  /** In force, by name: as the database says, else as its group says when both are in sync. */
  settings: Record<string, string>;
}

/** All that can be known without touching it. */
export async function inspect(
  deps: RebootDeps,
  input: RebootInput,
  signal: AbortSignal,
): Promise<Inspection> {
  const { rdsInstance: instance, region } = input.step.config;
  const state = await deps.rds.describeInstance({ instance, region });
  const { parameterGroup } = state;
  const configured = await deps.rds.listUserParameters({ instance, region, parameterGroup });
  const { databaseUrl } = input;
  if (databaseUrl === undefined) return { state, configured, settings: settingsBy(state, configured) };
  const ofInterest = [...configured, ...listExpected(input.step)].map(({ name }) => name);
  const names = [...new Set(['max_connections', ...ofInterest])];
  const database = await askDatabase(deps, { ...input, databaseUrl }, names, signal);
  const settings = database.kind === 'up' ? database.settings : settingsBy(state, configured);
  return { state, configured, database, settings };
}

function settingsBy(
  { parameterApplyStatus }: RdsInstanceState,
  configured: RdsParameter[],
): Record<string, string> {
  if (parameterApplyStatus !== 'in-sync') return {};
  return Object.fromEntries(
    configured.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
  );
}

function describeRestart(
  { step }: RebootInput,
  { instance, multiAz }: RdsInstanceState,
  pending: PendingParameter[],
): string {
  const tolerated = `an outage of at most ${formatDuration(step.config.maxOutageMs)} is tolerated`;
  const outage = multiAz ? `multi-AZ, perhaps by a failover: ${tolerated}` : `single-AZ: ${tolerated}`;
  const parameters = pending.map((each) => `${each.name} ${each.inForce} → ${each.configured}`);
  const what =
    parameters.length === 0
      ? 'what waits for it comes into force'
      : `${parameters.join(', ')} ${parameters.length === 1 ? 'comes' : 'come'} into force`;
  return `restarts ${instance} (${outage}): ${what}`;
}

function describeLater({ step }: RebootInput, { instance, multiAz }: RdsInstanceState): string {
  const outage = `${multiAz ? 'multi-AZ' : 'single-AZ'}, an outage of at most ${formatDuration(step.config.maxOutageMs)} is tolerated`;
  return `restarts ${instance} if something waits for a reboot by then (${outage}); static parameters such as max_connections change nothing in force by an apply alone`;
}

function listWarnings(
  { step, databaseUrl }: RebootInput,
  { instance, status }: RdsInstanceState,
  database: DatabaseAnswer | undefined,
): string[] {
  const warnings: string[] = [];
  if (status !== 'available') warnings.push(`${instance} is ${status} now; the reboot waits for it`);
  if (databaseUrl === undefined) {
    warnings.push(
      `no probe of ${step.stage} names its database: the outage of ${instance} cannot be measured, and counts from the call until RDS says available`,
    );
  } else if (database?.kind !== 'up') {
    warnings.push(
      `the database of ${instance} did not tell what is in force: ${database?.message ?? 'nobody asked'}`,
    );
  }
  return warnings;
}
