/** Whether the connections of all releases alive at once fit into what the database has in force. */
import { Context } from '@temporalio/activity';
import { lookUp } from '../adapters/probes/judge.js';
import type {
  BudgetInput,
  BudgetResult,
  HeadgateActivities,
  Release,
  Scale,
  Subject,
} from '../contract/activities.js';
import { computeBudget } from '../plan/budget.js';
import type { DeployStrategy, Json, ProbeSpec } from '../plan/resolved.js';
import type { Sampler } from './sampler.js';

const TIMEOUT_MS = 10_000;

/** `reserved_connections` is there from PostgreSQL 16 on. Our own connection is not counted. */
const SERVER_QUERY = `
  select
    current_setting('max_connections')::int as maximum,
    current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true), '0')::int as reserved,
    (select count(*)::int from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()) as clients`;

interface Server {
  maximum: number;
  reserved: number;
  clients: number;
}

export function createBudgetActivities({ sampler }: { sampler: Sampler }) {
  return {
    async measureBudget(input): Promise<BudgetResult> {
      const signal = Context.current().cancellationSignal;
      if (input.databaseUrl === undefined) {
        return unmeasured('no probe of the stage names its database, so that the server could not be asked');
      }
      const server = await readServer(sampler, input, input.databaseUrl, signal);
      if ('why' in server) return server.full ? fullServer(server.why) : unmeasured(server.why);
      const liveLimit = await readLiveLimit(sampler, input, signal);
      return weigh(input, server, liveLimit);
    },
  } satisfies Pick<HeadgateActivities, 'measureBudget'>;
}

function weigh(input: BudgetInput, server: Server, liveLimit: number | undefined): BudgetResult {
  const { budget, deploy, release, newLimit = liveLimit } = input;
  const { scale = { replicas: 1, surge: 0 } } = input;
  const lines = [
    `database: ${server.maximum} connections in force, ${server.reserved} of them reserved, ${server.clients} in use now`,
    `live release: ${liveLimit === undefined ? 'its pool limit could not be read' : `pool limit ${liveLimit}`}`,
  ];
  if (newLimit === undefined) {
    return {
      effectiveMaximum: server.maximum,
      warnings: [],
      lines: [...lines, 'no pool limit is known for the new release'],
    };
  }
  const known = liveLimit ?? newLimit;
  const copies = copiesAlive(deploy.config.strategy, scale, newLimit > known);
  const isAlive = copies.live > 0 && release !== undefined;
  const live = isAlive ? [{ name: `live ${release.version}`, poolLimit: known, replicas: copies.live }] : [];
  const others = Math.max(0, server.clients - (liveLimit ?? 0) * scale.replicas);
  const { used, fault, warnings } = computeBudget({
    releases: [...live, { name: `new ${input.context.version}`, poolLimit: newLimit, replicas: copies.new }],
    otherConnections: budget.otherConnections,
    reserved: server.reserved,
    effectiveMaximum: server.maximum,
  });
  const unplanned =
    liveLimit !== undefined && others > budget.otherConnections
      ? [
          `${input.stage}: at least ${others} clients other than the live release are connected, connectionBudget.otherConnections says ${budget.otherConnections}`,
        ]
      : [];
  return { used, effectiveMaximum: server.maximum, fault, warnings: [...warnings, ...unplanned], lines };
}

async function readServer(
  sampler: Sampler,
  input: BudgetInput,
  url: string,
  signal: AbortSignal,
): Promise<Server | { why: string; full: boolean }> {
  const spec = probeOf('connectionBudget', 'postgres', { url, query: SERVER_QUERY });
  const { sample } = await sampler.sampleOnce(subjectOf(input), spec, signal);
  if (sample.kind !== 'sample') return { why: sample.message, full: sample.kind === 'fail' };
  const figure = (column: string) => figureAt(sample.value, `rows.0.${column}`);
  const [maximum, reserved, clients] = [figure('maximum'), figure('reserved'), figure('clients')];
  if (maximum === undefined || reserved === undefined || clients === undefined) {
    return { why: 'the database did not tell max_connections', full: false };
  }
  return { maximum, reserved, clients };
}

/** The live release tells by itself: the secret that it started from may have changed since. */
async function readLiveLimit(
  sampler: Sampler,
  input: BudgetInput,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { beforePromotion, afterPromotion } = input.deploy.config;
  const spec = [...beforePromotion, ...afterPromotion].find(({ kind }) => kind === 'poolMetrics');
  if (!spec || !input.release) return undefined;
  const { sample } = await sampler.sampleOnce(subjectOf(input, input.release), spec, signal);
  return sample.kind === 'sample' ? figureAt(sample.value, 'pool.limit') : undefined;
}

function figureAt(sample: Json, path: string): number | undefined {
  const found = lookUp(sample, { path });
  return found.kind === 'value' && typeof found.value === 'number' ? found.value : undefined;
}

function probeOf(name: string, kind: string, config: { [key: string]: Json }): ProbeSpec {
  return { name, kind, config, expect: [], timeoutMs: TIMEOUT_MS };
}

function subjectOf(
  { context, stage, deploy, release }: BudgetInput,
  of: Release | undefined = release,
): Subject {
  return { context, stage, step: deploy.name, release: of };
}

/** At the moment in which the pools of both together are largest. */
function copiesAlive(strategy: DeployStrategy, { replicas, surge }: Scale, newIsLarger: boolean) {
  if (strategy === 'immediate') return { live: 0, new: replicas };
  if (strategy === 'blueGreen') return { live: replicas, new: replicas };
  return newIsLarger ? { live: surge, new: replicas } : { live: replicas, new: surge };
}

function unmeasured(why: string): BudgetResult {
  return { warnings: [`the connection budget was not measured: ${why}`], lines: [why] };
}

function fullServer(why: string): BudgetResult {
  return { fault: `there is no room for another release: ${why}`, warnings: [], lines: [why] };
}
