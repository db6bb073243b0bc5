/**
 * Gates: probes that have to pass together.
 *
 * A probe that writes (a signed booking) is sent once per use, after everything before it has passed in the same
 * round, and its measurement stands for all later rounds. What was sent is kept in the heartbeats: a repeated
 * activity does not send again what has been answered. When the worker died between sending and answer, nobody
 * knows whether it arrived; it is sent once more, because what it sends carries `${rollout:id}` and the receiver
 * knows it again. It is never sent a third time.
 */
import { Context } from '@temporalio/activity';
import { lookUp, worstOutcome } from '../adapters/probes/judge.js';
import type { GateResult, HeadgateActivities, Subject } from '../contract/activities.js';
import { clip, fitMeasurements } from '../contract/fit.js';
import type { Measurement } from '../contract/progress.js';
import type { Json, ProbeSpec } from '../plan/resolved.js';
import type { Clock } from './clock.js';
import { isRecord, withHeartbeat } from './heartbeat.js';
import type { Sampler } from './sampler.js';

const LARGEST_RESULT = 12 * 1024;
const MOST_SENDINGS = 2;

export interface GateDeps {
  sampler: Sampler;
  clock: Clock;
}

type GateActivities = Pick<HeadgateActivities, 'measureProbes' | 'measureInForce' | 'awaitProbes'>;

/** What a gate knows, and what its heartbeats keep. */
export interface GateMemory {
  startedAtMs: number;
  rounds: number;
  /** Of writing probes, by name: how often sending was begun, and what came of it. */
  sent: Record<string, { begun: number; measurement?: Measurement }>;
  measurements: Measurement[];
}

export function createGateActivities(deps: GateDeps) {
  return {
    async measureProbes({ subject, probes }) {
      const gate = recall(deps.clock.now());
      return withHeartbeat(
        () => gate,
        async (signal, beat) => {
          await takeRound(deps, { subject, probes, gate, signal, beat });
          return gate.measurements;
        },
      );
    },

    async measureInForce({ subject, probes }) {
      const telling = probes.filter(
        (spec) => !deps.sampler.writes(spec) && inForcePaths(deps, spec).length > 0,
      );
      return withHeartbeat(
        () => undefined,
        async (signal) => {
          const sampled = await deps.sampler.sampleAll(subject, telling, signal);
          const values = sampled.flatMap(({ sample }, index) => {
            const spec = telling[index];
            return spec && sample.kind === 'sample' ? inForceValues(deps, spec, sample.value) : [];
          });
          return Object.fromEntries(values);
        },
      );
    },

    async awaitProbes({ subject, probes, timeoutMs, intervalMs }): Promise<GateResult> {
      const gate = recall(deps.clock.now());
      const deadlineMs = gate.startedAtMs + timeoutMs;
      return withHeartbeat(
        () => gate,
        async (signal, beat) => {
          for (;;) {
            const outcome = await takeRound(deps, { subject, probes, gate, signal, beat });
            const over = deps.clock.now() + intervalMs > deadlineMs;
            if (outcome === 'pass' || over || probes.length === 0 || isLost(gate)) {
              return { outcome, measurements: gate.measurements, rounds: gate.rounds };
            }
            await deps.clock.sleep(intervalMs, signal);
          }
        },
      );
    },
  } satisfies GateActivities;
}

interface Round {
  subject: Subject;
  probes: ProbeSpec[];
  gate: GateMemory;
  signal: AbortSignal;
  beat: () => void;
}

async function takeRound(deps: GateDeps, round: Round): Promise<GateResult['outcome']> {
  const { subject, probes, gate, signal } = round;
  const inOrder = probes.some((spec) => deps.sampler.writes(spec));
  const measurements = inOrder
    ? await measureInOrder(deps, round)
    : (await deps.sampler.sampleAll(subject, probes, signal)).map(({ measurement }) => measurement);
  gate.rounds += 1;
  gate.measurements = fitMeasurements(measurements, LARGEST_RESULT);
  return worstOutcome(measurements.map(({ outcome }) => outcome));
}

/** A later probe may look for what an earlier one wrote, so that the plan's order is kept. */
async function measureInOrder(deps: GateDeps, round: Round): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const spec of round.probes) {
    const against = measurements.find(({ outcome }) => outcome !== 'pass');
    const unsent = deps.sampler.writes(spec) && !round.gate.sent[spec.name]?.measurement;
    if (against && unsent) {
      const rest = round.probes.slice(measurements.length);
      return [...measurements, ...rest.map(({ name }) => notMeasured(deps, name, against.probe))];
    }
    measurements.push(await measureOne(deps, round, spec));
  }
  return measurements;
}

async function measureOne(deps: GateDeps, round: Round, spec: ProbeSpec): Promise<Measurement> {
  const { subject, gate, signal, beat } = round;
  if (!deps.sampler.writes(spec)) return (await deps.sampler.sampleOnce(subject, spec, signal)).measurement;
  const { begun = 0, measurement: known } = gate.sent[spec.name] ?? {};
  if (known) return known;
  const measurement = begun >= MOST_SENDINGS ? sentInVain(deps, spec.name) : undefined;
  if (!measurement) {
    gate.sent[spec.name] = { begun: begun + 1 };
    beat();
  }
  const final = measurement ?? (await deps.sampler.sampleOnce(subject, spec, signal)).measurement;
  gate.sent[spec.name] = { begun: begun + 1, measurement: final };
  beat();
  return final;
}

function notMeasured(deps: GateDeps, probe: string, waitsFor: string): Measurement {
  return withoutSample(deps, probe, `not measured: ${waitsFor} has to pass before anything is sent`);
}

function sentInVain(deps: GateDeps, probe: string): Measurement {
  const message = `sent ${MOST_SENDINGS} times, and the worker was lost before an answer each time; look for the rollout's id at the receiver`;
  return withoutSample(deps, probe, message);
}

function withoutSample({ clock }: GateDeps, probe: string, message: string): Measurement {
  const at = new Date(clock.now()).toISOString();
  return { probe, outcome: 'inconclusive', at, message, values: {}, durationMs: 0 };
}

/** What was sent once and did not pass never will: waiting longer changes nothing. */
function isLost({ sent }: GateMemory): boolean {
  return Object.values(sent).some(({ measurement }) => measurement && measurement.outcome !== 'pass');
}

/** A repeated attempt goes on with the time and the sendings of the one before. */
function recall(nowMs: number): GateMemory {
  const kept: unknown = Context.current().info.heartbeatDetails;
  if (isGateMemory(kept)) return { ...kept, sent: { ...kept.sent } };
  return { startedAtMs: nowMs, rounds: 0, sent: {}, measurements: [] };
}

function isGateMemory(kept: unknown): kept is GateMemory {
  if (!isRecord(kept) || !isRecord(kept.sent) || !Array.isArray(kept.measurements)) return false;
  return typeof kept.startedAtMs === 'number' && typeof kept.rounds === 'number';
}

function inForcePaths({ sampler }: GateDeps, spec: ProbeSpec): string[] {
  return sampler.inForcePaths(spec);
}

/** Only what can be compared: a bare value, by `probe.path`. */
function inForceValues(deps: GateDeps, spec: ProbeSpec, sample: Json): [string, Json][] {
  return inForcePaths(deps, spec).flatMap((path): [string, Json][] => {
    const found = lookUp(sample, { path });
    if (found.kind === 'missing' || (typeof found.value === 'object' && found.value !== null)) return [];
    const value = typeof found.value === 'string' ? clip(found.value, 200) : found.value;
    return [[`${spec.name}.${path}`, value]];
  });
}
