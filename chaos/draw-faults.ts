/** Which faults a run meets, and when: only such as its plan can meet, two to five of them. Pure. */
import type { Random } from './random.js';
import type { DrawnStage, DrawnStep, Ending, Fault, FaultName, Moment } from './schedule.js';

type Kind = DrawnStep['kind'];

/** How often each is drawn, beside the others that the plan can meet. */
const WEIGHTS: Record<FaultName, number> = {
  'worker killed': 7,
  'worker stopped (SIGTERM)': 2,
  'Temporal server killed': 3,
  'AWS answers 500': 2,
  'AWS throttles': 2,
  'AWS cut before the effect': 2,
  'AWS cut after the effect': 3,
  'AWS answers late': 1.5,
  'AWS answers nonsense': 1.5,
  'AWS answer truncated': 1.5,
  'PostgreSQL restarted': 2,
  'PostgreSQL cut off': 2,
  'health endpoint flaps': 2,
  'health endpoint answers nonsense': 2,
  abort: 2,
  cancel: 2,
  'hold and resume': 2,
  'secret changed by a colleague': 3,
  'file changed by a colleague': 3,
  'infrastructure changed by a colleague': 2.5,
  'branch pushed to by a colleague': 2.5,
  'release deployed by a colleague': 3,
  'old release restarts by itself': 2,
  'file cannot be written': 2.5,
  'artifacts cannot be written': 1.5,
  'program fails': 2,
  'worker of another build beside': 2.5,
  'malformed answers': 2.5,
};

const ANYWHERE: FaultName[] = [
  'worker killed',
  'worker stopped (SIGTERM)',
  'Temporal server killed',
  'abort',
  'cancel',
  'hold and resume',
  'artifacts cannot be written',
  'worker of another build beside',
  'malformed answers',
];

const AWS: FaultName[] = [
  'AWS answers 500',
  'AWS throttles',
  'AWS cut before the effect',
  'AWS cut after the effect',
  'AWS answers late',
  'AWS answers nonsense',
  'AWS answer truncated',
];

/** What a step of the kind makes possible. */
const BY_KIND: Partial<Record<Kind, FaultName[]>> = {
  secret: [...AWS, 'secret changed by a colleague'],
  reboot: AWS,
  config: ['file changed by a colleague', 'file cannot be written'],
  infra: ['infrastructure changed by a colleague'],
  git: ['branch pushed to by a colleague'],
  deploy: ['release deployed by a colleague', 'old release restarts by itself', 'program fails'],
  run: ['program fails'],
};

/** The kind of step whose thing a fault is about. */
const ABOUT: Partial<Record<FaultName, Kind>> = {
  'secret changed by a colleague': 'secret',
  'file changed by a colleague': 'config',
  'file cannot be written': 'config',
  'infrastructure changed by a colleague': 'infra',
  'branch pushed to by a colleague': 'git',
  'release deployed by a colleague': 'deploy',
  'old release restarts by itself': 'deploy',
};

/** Facts of a step on its way, in which something may come between. */
const FORWARD: Record<Kind, string[]> = {
  config: ['lookConfig after', 'writeConfig before', 'writeConfig after', 'verifyConfig after'],
  secret: [
    ...['lookSecret after', 'putSecret before', 'aws PutSecretValue', 'aws UpdateSecretVersionStage'],
    ...['putSecret after', 'verifySecret before'],
  ],
  infra: ['lookInfra after', 'applyInfra before', 'set 50 before', 'set 50 after', 'applyInfra after'],
  reboot: ['lookReboot after', 'rebootInstance before', 'rebootInstance after'],
  git: ['lookGit after', 'pushGit before', 'pushGit after', 'verifyGit after'],
  deploy: [
    ...['lookRelease after', 'prepare before', 'prepare after', 'promote before', 'promote after'],
    ...['promoteRelease after', 'retire after'],
  ],
  check: ['awaitProbes before', 'awaitProbes after'],
  loadTest: ['runLoadTest before', 'runLoadTest after'],
  approval: ['composeEvidence before', 'composeEvidence after', 'asked'],
  monitor: ['sampleProbes before', 'sampled', 'sampleProbes after'],
  run: ['act before', 'act after', 'runCommand after'],
};

/** On the way back. */
const BACKWARD: Partial<Record<Kind, string[]>> = {
  config: ['undoConfig before', 'undoConfig after'],
  secret: ['undoSecret before', 'undoSecret after'],
  infra: ['undoInfra before', 'set 20 before', 'set 20 after', 'undoInfra after'],
  git: ['undoGit before', 'undoGit after'],
  deploy: ['restore before', 'restore after', 'collectDiagnostics before', 'restart after'],
  run: ['undo before', 'undo after'],
};

const ALWAYS = ['verifyPlanFiles after', 'gate asked', 'writeReport before', 'writeReport after'];

export function drawFaults(random: Random, stages: DrawnStage[], ending: Ending): Fault[] {
  const kinds = new Set(stages.flatMap(({ steps }) => steps.map(({ kind }) => kind)));
  const possible = new Set([...ANYWHERE, ...[...kinds].flatMap((kind) => BY_KIND[kind] ?? [])]);
  const steps = stages.flatMap((stage) => stage.steps);
  if (steps.some(asksDatabase)) for (const name of DATABASE) possible.add(name);
  if (steps.some(asksHealth)) for (const name of HEALTH) possible.add(name);
  // The restart would take the parameter into force, and nothing would be left to reboot for.
  if (kinds.has('reboot')) possible.delete('PostgreSQL restarted');
  const names = drawNames(random, possible);
  const isBack = ending === 'fails' || names.some((name) => name === 'abort' || name === 'cancel');
  return names.map((name) => drawFault(random, { name, stages, isBack }));
}

const DATABASE: FaultName[] = ['PostgreSQL restarted', 'PostgreSQL cut off'];
const HEALTH: FaultName[] = ['health endpoint flaps', 'health endpoint answers nonsense'];

function asksDatabase(step: DrawnStep): boolean {
  return step.kind === 'reboot' || asks(step, 'database');
}

function asksHealth(step: DrawnStep): boolean {
  return asks(step, 'health');
}

function asks(step: DrawnStep, probe: 'health' | 'database'): boolean {
  if (step.kind === 'check') return step.probe === probe;
  return step.kind === 'monitor' && step.probes.includes(probe);
}

function drawNames(random: Random, possible: ReadonlySet<FaultName>): FaultName[] {
  const count = random.pick([2, 2, 3, 3, 4, 5]);
  const names: FaultName[] = [];
  for (let drawn = 0; drawn < count; drawn += 1) {
    const left = [...possible].filter((name) => !names.includes(name) || name === 'worker killed');
    names.push(random.weigh(Object.fromEntries(left.map((name) => [name, WEIGHTS[name]])) as typeof WEIGHTS));
  }
  return names;
}

function drawFault(
  random: Random,
  { name, stages, isBack }: { name: FaultName; stages: DrawnStage[]; isBack: boolean },
): Fault {
  const kind = ABOUT[name];
  const having = stages.filter(({ steps }) => kind === undefined || steps.some((step) => step.kind === kind));
  const stage = random.pick(having);
  const steps = stages.flatMap((each) => each.steps);
  // It is ill for a moment only: elsewhere nobody would ask it meanwhile.
  const met = HEALTH.includes(name) ? steps.filter(asksHealth) : steps;
  const near = kind === undefined ? met.map((step) => step.kind) : [kind];
  return {
    name,
    at: drawMoment(random, { near, isBack, isLoose: kind === undefined && !HEALTH.includes(name) }),
    ...(kind === undefined ? {} : { stage: stage.name }),
    times: random.between(1, 4),
    forMs: random.between(300, 3_000),
    same: random.chance(0.5),
  };
}

/** @param near kinds of steps whose facts count; loose: any moment may be meant, the first second too */
function drawMoment(
  random: Random,
  { near, isBack, isLoose }: { near: Kind[]; isBack: boolean; isLoose: boolean },
): Moment {
  if (random.chance(isLoose ? 0.35 : 0.2)) return { afterMs: random.between(0, 4_000) };
  const kind = random.pick(near);
  const backward = isBack && random.chance(0.3) ? BACKWARD[kind] : undefined;
  const facts = backward ?? [...FORWARD[kind], ...(isLoose && random.chance(0.15) ? ALWAYS : [])];
  return { fact: random.pick(facts), nth: random.chance(0.92) ? 1 : 2 };
}
