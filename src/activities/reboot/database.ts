/** What the PostgreSQL behind an RDS instance says of itself, asked through the sampler as a probe would. */
import { lookUp } from '../../adapters/probes/judge.js';
import type { RebootInput, Subject } from '../../contract/activities.js';
import type { Json, ProbeSpec } from '../../plan/resolved.js';
import type { Clock } from '../clock.js';
import type { Sampler } from '../sampler.js';

const TIMEOUT_MS = 2_000;

const QUERY = `
  select
    to_char(pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as started,
    (extract(epoch from clock_timestamp() - pg_postmaster_start_time()) * 1000)::float8 as up,
    (select coalesce(json_object_agg(name, setting), '{}') from pg_settings
      where name = any (string_to_array($1, ','))) as settings`;

export type DatabaseAnswer =
  | {
      kind: 'up';
      /** ISO, by the clock of the database: two answers of the same server agree. */
      startedAt: string;
      /** Epoch ms, by our own clock. */
      startedAtMs: number;
      /** Those of the names asked for that it knows, in its base units. */
      settings: Record<string, string>;
    }
  /** It answers, but lets nobody in (53300). */
  | { kind: 'full'; message: string }
  | { kind: 'down'; message: string };

/** Rejects only with the signal's reason, and with what the worker does not permit. */
export async function askDatabase(
  { sampler, clock }: { sampler: Sampler; clock: Clock },
  input: RebootInput & { databaseUrl: string },
  names: string[],
  signal: AbortSignal,
): Promise<DatabaseAnswer> {
  const spec: ProbeSpec = {
    name: 'reboot',
    kind: 'postgres',
    config: { url: input.databaseUrl, query: QUERY, parameters: [names.join(',')] },
    expect: [],
    timeoutMs: TIMEOUT_MS,
  };
  const { sample } = await sampler.sampleOnce(subjectOf(input), spec, signal);
  const answeredAtMs = clock.now();
  if (sample.kind !== 'sample') {
    return { kind: sample.kind === 'fail' ? 'full' : 'down', message: sample.message };
  }
  const startedAt = valueAt(sample.value, 'started');
  const upMs = valueAt(sample.value, 'up');
  if (typeof startedAt !== 'string' || typeof upMs !== 'number') {
    return { kind: 'down', message: 'it does not tell since when it has been running' };
  }
  const settings = readSettings(valueAt(sample.value, 'settings'));
  return { kind: 'up', startedAt, startedAtMs: answeredAtMs - upMs, settings };
}

export function subjectOf({ context, step }: RebootInput): Subject {
  return { context, stage: step.stage, step: step.name };
}

function valueAt(sample: Json, column: string): Json | undefined {
  const found = lookUp(sample, { path: `rows.0.${column}` });
  return found.kind === 'value' ? found.value : undefined;
}

function readSettings(value: Json | undefined): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, setting]) =>
      typeof setting === 'string' ? [[name, setting] as const] : [],
    ),
  );
}
