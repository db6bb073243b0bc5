/**
 * A world in memory behind the activities' contract, for tests of the workflow alone: what is asked of it, in
 * which order, and what the workflow does when it fails. The real activities have tests of their own.
 */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type {
  ActivityName,
  DeployFound,
  Fence,
  FoundTaint,
  HeadgateActivities,
  LockHolder,
  Made,
  ParametersMade,
  Release,
  SamplerState,
} from '../../src/contract/activities.js';
import { FAILURES } from '../../src/contract/messages.js';
import type { Measurement, MeasurementOutcome } from '../../src/contract/progress.js';
import type { Json, ProbeSpec } from '../../src/plan/resolved.js';

type Fault = Error | undefined;

export interface FakeWorld {
  activities: HeadgateActivities;
  /** `activity step-or-stage`, in the order in which they began. */
  calls: string[];
  /** Version id that AWSCURRENT points at, by secret. */
  secrets: Map<string, string>;
  /** sha256 of a file, by its name; `base` without one. */
  files: Map<string, string>;
  /** What terraform's state holds, by folder; `base` without one. */
  states: Map<string, string>;
  /** What the parameter group of an instance says; as the reboot has left it without one. */
  parameters: Map<string, ParametersMade>;
  /** By stage. */
  live: Map<string, Release>;
  candidates: Map<string, Release>;
  /** What every probe answers, by name; `pass` without one. */
  outcomes: Map<string, MeasurementOutcome>;
  /** Value of `pool.limit` that the live release has in force, by stage. */
  inForce: Map<string, number>;
  /** Steps of which nobody can tell whether what they have made is still there. */
  unreadable: Set<string>;
  /** Throws what it returns before the activity does anything. */
  faults: Partial<Record<ActivityName, (call: number) => Fault>>;
  /** Holds an activity until it is released or cancelled. */
  blocked: Partial<Record<ActivityName, Promise<void>>>;
  lockHolder: LockHolder | null;
  notices: string[];
  /** What every notice comes back with. */
  noticeWarnings: string[];
}

export function createFakeWorld(): FakeWorld {
  const world: FakeWorld = {
    calls: [],
    secrets: new Map(),
    files: new Map(),
    states: new Map(),
    parameters: new Map(),
    live: new Map(),
    candidates: new Map(),
    outcomes: new Map(),
    inForce: new Map(),
    unreadable: new Set(),
    faults: {},
    blocked: {},
    lockHolder: null,
    notices: [],
    noticeWarnings: [],
    activities: undefined as unknown as HeadgateActivities,
  };
  world.activities = watched(world, createActivities(world));
  return world;
}

/** Resolves when the world has seen a call that begins like this. */
export async function seen(world: FakeWorld, call: string, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!world.calls.some((each) => each.startsWith(call))) {
    if (Date.now() > deadline) throw new Error(`never called: ${call}; called: ${world.calls.join(', ')}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function createActivities(world: FakeWorld): HeadgateActivities {
  const liveOf = (stage: string): Release =>
    world.live.get(stage) ?? { id: `${stage}-old`, version: 'v1.0.0', url: `http://${stage}.invalid` };
  const versionOf = (id: string): string => world.secrets.get(id) ?? `${id}-base`;
  const foundOf = (stage: string): DeployFound => ({
    live: liveOf(stage),
    candidate: world.candidates.get(stage) ?? null,
    staged: true,
  });
  const judge = (probe: ProbeSpec): Measurement =>
    measurementOf(probe.name, world.outcomes.get(probe.name) ?? 'pass');

  return {
    async verifyPlanFiles() {},
    measureWindow: async () => 0,
    describeLockHolder: async () => world.lockHolder,
    // A signature is `NAME's KEY`: it verifies as that key, for that name.
    verifyStart: async ({ signed }) => (signed ? { key: keyIn(signed) } : {}),
    verifyAnswer: async ({ answer, signature }) => {
      const key = keyIn({ by: answer.by, signature });
      return key === undefined ? { why: "it is somebody else's" } : { key };
    },

    lookConfig: async ({ step }) => {
      const { file } = step.config.place;
      const sha256 = world.files.get(file) ?? 'base';
      return {
        found: { file, sha256, mode: '0600' },
        changes: [`${file}: set ${Object.keys(step.config.set).join(', ')}`],
        warnings: [],
        effect: 'idempotent',
        digest: `file-${sha256}`,
      };
    },
    writeConfig: async ({ step }) => {
      world.files.set(step.config.place.file, 'new');
      return { sha256: 'new', changedKeys: Object.keys(step.config.set) };
    },
    verifyConfig: async () => measurementOf('readBack', 'pass'),
    undoConfig: async ({ step, base }) => {
      world.files.set(step.config.place.file, base.sha256);
      return { summary: `${base.file} is back`, changed: true };
    },
    settleConfig: async () => ({ summary: 'no old backups', changed: false }),

    lookInfra: async ({ step }) => {
      const stateDigest = world.states.get(step.config.directory) ?? 'base';
      return {
        found: { planDigest: 'plan', changes: 1, stateDigest },
        changes: ['parameter.max: update'],
        warnings: [],
        effect: 'detectable',
        digest: `infra-${stateDigest}`,
      };
    },
    applyInfra: async ({ step }) => {
      world.states.set(step.config.directory, 'applied');
      return { added: 0, changed: 1, destroyed: 0, artifacts: [] };
    },
    verifyInfra: async () => measurementOf('plan', 'pass'),
    undoInfra: async ({ step, base }) => {
      world.states.set(step.config.directory, base.stateDigest);
      return { summary: 'applied as before', changed: true };
    },

    lookReboot: async () => ({
      found: { status: 'available', parameterGroup: 'group', pending: true, multiAz: false },
      changes: ['is started again'],
      warnings: [],
      effect: 'detectable',
      digest: 'reboot',
    }),
    rebootInstance: async () => ({
      rebooted: true,
      outageMs: 1_200,
      parameters: { kind: 'parameters', group: 'group', sha256: 'p'.repeat(64), values: { max: '100' } },
    }),

    lookGit: async () => ({
      found: {
        branch: 'main',
        head: 'a'.repeat(40),
        remoteHead: 'a'.repeat(40),
        tagged: null,
        tree: 'b'.repeat(40),
      },
      changes: ['a tag'],
      warnings: [],
      effect: 'detectable',
      digest: 'git',
    }),
    pushGit: async ({ step }) => ({ tag: step.config.tag, head: 'a'.repeat(40) }),
    verifyGit: async () => measurementOf('remote', 'pass'),
    undoGit: async () => ({ summary: 'nothing of ours there', changed: false }),

    lookRun: async ({ step }) => ({
      found: { held: step.config.verify ? false : null },
      changes: [`runs ${step.config.command.join(' ')}`],
      warnings: [],
      effect: step.config.verify ? 'detectable' : 'neither',
      digest: 'run',
    }),
    runCommand: async () => ({ said: 'done', artifacts: [] }),
    verifyCommand: async ({ step }) => measurementOf('verify', world.outcomes.get(step.name) ?? 'pass'),
    undoCommand: async ({ step }) => {
      world.outcomes.set(step.name, 'fail');
      return { summary: 'undone', changed: true };
    },

    lookSecret: async ({ step }) => {
      const { id } = step.config.awsSecretsManager;
      const versionId = versionOf(id);
      return {
        found: { arn: `arn:${id}`, versionId },
        changes: [`${id}: set ${Object.keys(step.config.set).join(', ')}`],
        warnings: [],
        effect: 'idempotent',
        digest: `secret-${versionId}`,
      };
    },
    putSecret: async ({ step, base }) => {
      const { id } = step.config.awsSecretsManager;
      const current = versionOf(id);
      if (current !== base.versionId && current !== `${id}-new`) {
        throw ApplicationFailure.nonRetryable(
          `${id} is at ${current}, looked at ${base.versionId}`,
          FAILURES.drift,
        );
      }
      world.secrets.set(id, `${id}-new`);
      return { versionId: `${id}-new`, changedKeys: Object.keys(step.config.set) };
    },
    verifySecret: async () => measurementOf('readBack', 'pass'),
    undoSecret: async ({ step, base }) => {
      const { id } = step.config.awsSecretsManager;
      world.secrets.set(id, base.versionId);
      return { summary: `${id} back at ${base.versionId}`, changed: true };
    },
    settleSecret: async () => ({ summary: 'labels dropped', changed: true }),

    lookRelease: async ({ step }) => ({
      found: foundOf(step.stage),
      changes: [`${liveOf(step.stage).id} is replaced`],
      warnings: [],
      effect: 'idempotent',
      digest: `release-${liveOf(step.stage).id}`,
    }),
    prepareRelease: async ({ step, context }) => {
      const candidate = {
        id: `${step.stage}-new`,
        version: context.version,
        url: `http://${step.stage}-new.invalid`,
      };
      world.candidates.set(step.stage, candidate);
      return candidate;
    },
    promoteRelease: async ({ step, candidate }) => {
      world.candidates.set(step.stage, liveOf(step.stage));
      world.live.set(step.stage, candidate);
      world.inForce.set(step.stage, 50);
      return candidate;
    },
    restoreTraffic: async ({ step, base }) => {
      if (liveOf(step.stage).id !== base.live.id && world.candidates.get(step.stage)?.id !== base.live.id) {
        return { summary: `${base.live.id} is gone`, changed: false, gone: true };
      }
      world.live.set(step.stage, base.live);
      world.inForce.set(step.stage, 20);
      return { summary: `traffic on ${base.live.id}`, changed: true };
    },
    retireRelease: async ({ step }) => {
      world.candidates.delete(step.stage);
      return { summary: 'stopped', changed: true };
    },
    restartRelease: async ({ step }) => {
      world.inForce.set(step.stage, 20);
      return { summary: 'started again', changed: true };
    },
    recreateRelease: async ({ step, base }) => {
      const release = { ...base.live, id: `${base.live.id}-anew` };
      world.live.set(step.stage, release);
      world.candidates.delete(step.stage);
      world.inForce.set(step.stage, 20);
      return release;
    },
    collectDiagnostics: async ({ step, release }) => ({
      stage: step.stage,
      release: release.id,
      folder: `diagnostics/${step.stage}-${release.id}`,
      manifestSha256: 'd'.repeat(64),
      files: ['release.log'],
      missing: [],
    }),
    measureBudget: async () => ({ warnings: [], lines: [] }),

    measureProbes: async ({ probes }) => probes.map(judge),
    measureInForce: async ({ subject }): Promise<Record<string, Json>> => ({
      'poolLimit.pool.limit': world.inForce.get(subject.stage) ?? 20,
    }),
    awaitProbes: async ({ probes }) => {
      const measurements = probes.map(judge);
      const against = measurements.find(({ outcome }) => outcome !== 'pass');
      return { outcome: against?.outcome ?? 'pass', measurements, rounds: 1 };
    },
    sampleProbes: async ({ probes, startedAtMs, untilMs, state, fences = [] }) => {
      const tallies: SamplerState['tallies'] = {};
      for (const probe of probes) {
        const measurement = judge(probe);
        const taken = Math.ceil((untilMs - startedAtMs) / probe.limits.intervalMs);
        const pass = measurement.outcome === 'pass' ? taken : 0;
        const error = measurement.outcome === 'error' ? taken : 0;
        tallies[probe.name] = {
          taken,
          pass,
          fail: 0,
          inconclusive: 0,
          error,
          consecutiveFailures: 0,
          consecutiveErrors: 0,
          windows: {},
          last: measurement,
          nextDueMs: untilMs,
        };
        if (measurement.outcome === 'fail') {
          return { tallies, breach: { probe: probe.name, limit: 'consecutiveFailureLimit 2', measurement } };
        }
      }
      if (fences.length === 0) return { ...state, tallies };
      return { ...state, tallies, ...readFences(world, fences, untilMs, liveOf, versionOf) };
    },

    lookLoadTest: async () => ({
      found: { scriptSha256: 'a'.repeat(64), thresholds: ['http_req_failed'] },
      changes: [],
      warnings: [],
      effect: 'none',
      digest: 'load',
    }),
    runLoadTest: async ({ step }) => {
      const outcome = world.outcomes.get(step.name) ?? 'pass';
      return {
        outcome,
        measurements: [measurementOf('http_req_failed', outcome)],
        exitCode: outcome === 'pass' ? 0 : 99,
        iterations: 100,
        requests: 100,
        durationMs: 9_000,
        artifacts: [],
      };
    },

    composeEvidence: async ({ gate, approval, looks, results, compensations, voided }) => ({
      gate,
      digest: digestOf(JSON.stringify([looks, voided])),
      sha256: 'f'.repeat(64),
      covers: approval.covers,
      changes: looks.flatMap(({ look }) => look.changes),
      warnings: [],
      results,
      compensations,
      looks: Object.fromEntries(looks.map(({ step, look }) => [step, look.digest])),
    }),
    notify: async ({ moment, title, commands = [] }) => {
      world.notices.push([`${moment}: ${title}`, ...commands].join(' | '));
      return { threads: {}, warnings: world.noticeWarnings };
    },
    async writeReport() {},
    examineWorker: async () => [],
  };
}

function readFences(
  world: FakeWorld,
  fences: Fence[],
  readAtMs: number,
  liveOf: (stage: string) => Release,
  versionOf: (id: string) => string,
): Pick<SamplerState, 'fences' | 'tainted'> {
  const at = new Date(0).toISOString();
  const known = fences.filter(({ step }) => !world.unreadable.has(step.name));
  const tainted = known.flatMap(({ step, expected }): FoundTaint[] => {
    const now = madeNow(world, step, expected, liveOf, versionOf);
    if (JSON.stringify(now) === JSON.stringify(expected)) return [];
    const { name } = step;
    return [{ step: name, what: `what ${name} made`, expected: 'ours', found: JSON.stringify(now), at, now }];
  });
  return {
    fences: Object.fromEntries(
      fences.map(({ step: { name } }) => [
        name,
        world.unreadable.has(name) ? { error: 'denied' } : { readAtMs },
      ]),
    ),
    ...(tainted.length > 0 ? { tainted } : {}),
  };
}

function madeNow(
  world: FakeWorld,
  step: Fence['step'],
  expected: Made,
  liveOf: (stage: string) => Release,
  versionOf: (id: string) => string,
): Made {
  if (step.kind === 'deploy') return { kind: 'release', release: liveOf(step.stage) };
  if (step.kind === 'secret')
    return { kind: 'secret', versionId: versionOf(step.config.awsSecretsManager.id) };
  if (step.kind === 'config')
    return { kind: 'file', sha256: world.files.get(step.config.place.file) ?? 'base' };
  return world.parameters.get(step.config.rdsInstance) ?? expected;
}

/** Counts, fails and blocks every activity as the test says. */
function watched(world: FakeWorld, activities: HeadgateActivities): HeadgateActivities {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: { step?: { name: string } | string; subject?: { step: string } }) => {
      const step = typeof input?.step === 'object' ? input.step.name : (input?.subject?.step ?? '');
      const key = name as ActivityName;
      const call = world.calls.filter((each) => each.startsWith(`${name} `)).length + 1;
      world.calls.push(`${name} ${step}`);
      const fault = world.faults[key]?.(call);
      if (fault) throw fault;
      const blocked = world.blocked[key];
      if (blocked) await untilReleased(blocked);
      return (activity as (input: unknown) => Promise<unknown>)(input);
    },
  ]);
  return Object.fromEntries(wrapped);
}

async function untilReleased(blocked: Promise<void>): Promise<void> {
  const { cancelled, heartbeat } = Context.current();
  const beat = setInterval(() => heartbeat(), 200);
  try {
    await Promise.race([blocked, cancelled]);
  } finally {
    clearInterval(beat);
  }
}

function keyIn({ by, signature }: { by: string; signature: string }): string | undefined {
  return signature.startsWith(`${by}'s `) ? signature.slice(by.length + 3) : undefined;
}

function measurementOf(probe: string, outcome: MeasurementOutcome): Measurement {
  return {
    probe,
    outcome,
    at: new Date(0).toISOString(),
    message: `${probe} said ${outcome}`,
    values: {},
    durationMs: 1,
  };
}

function digestOf(text: string): string {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash.toString(16).padStart(8, '0');
}
