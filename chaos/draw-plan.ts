/** The plan of a run: some kinds of steps, in an order in which a person would write them. Pure. */
import type { Random } from './random.js';
import type { DrawnStage, DrawnStep } from './schedule.js';

type Kind = DrawnStep['kind'];

/** As a person writes them: what is read before what reads it, gates behind what they judge. */
const ORDERS: Kind[][] = [
  ['approval', 'infra', 'reboot', 'secret', 'config', 'run', 'deploy', 'check', 'loadTest', 'monitor', 'git'],
  ['config', 'secret', 'git', 'approval', 'deploy', 'monitor', 'infra', 'run', 'check', 'reboot', 'loadTest'],
  ['run', 'check', 'config', 'secret', 'deploy', 'check', 'approval', 'infra', 'git', 'reboot', 'monitor'],
];

/** How likely a stage has one. */
const SHARES: Record<DrawnStage['name'], Partial<Record<Kind, number>>> = {
  staging: { config: 0.6, secret: 0.5, deploy: 0.6, run: 0.3, check: 0.4, monitor: 0.2, approval: 0.1 },
  production: {
    config: 0.6,
    secret: 0.65,
    deploy: 0.7,
    infra: 0.35,
    git: 0.35,
    run: 0.35,
    check: 0.4,
    approval: 0.5,
    monitor: 0.4,
    reboot: 0.15,
    loadTest: 0.08,
  },
};

const CHANGING: Kind[] = ['config', 'secret', 'deploy', 'infra', 'git', 'run'];

export function drawStages(random: Random): DrawnStage[] {
  const names: DrawnStage['name'][] = random.chance(0.35) ? ['staging', 'production'] : ['production'];
  return names.map((name) => ({ name, steps: drawSteps(random, name) }));
}

function drawSteps(random: Random, stage: DrawnStage['name']): DrawnStep[] {
  const shares = SHARES[stage];
  const order = [...new Set(random.pick(ORDERS))];
  const drawn = order.filter((kind) => random.chance(shares[kind] ?? 0));
  const changes = drawn.some((kind) => CHANGING.includes(kind));
  const kinds = changes ? drawn : [...drawn, random.pick(['config', 'secret'] as const)];
  return kinds.map((kind) => drawStep(random, kind));
}

function drawStep(random: Random, kind: Kind): DrawnStep {
  switch (kind) {
    case 'config':
    case 'secret': {
      const onRollback = random.weigh({ revert: 0.84, keep: 0.08, ask: 0.08 });
      return onRollback === 'revert' ? { kind } : { kind, onRollback };
    }
    case 'deploy':
      return { kind, staged: random.chance(0.75) };
    case 'check':
      return { kind, probe: random.pick(['health', 'database'] as const) };
    case 'run':
      return { kind, verified: random.chance(0.75) };
    case 'approval': {
      const answer = random.weigh({
        approve: 0.82,
        reject: 0.06,
        never: 0.05,
        'approve and abort together': 0.07,
      });
      const timeoutMs = answer === 'never' ? random.between(500, 2_500) : 120_000;
      return { kind, answer, delayMs: random.between(0, 1_200), timeoutMs };
    }
    case 'monitor':
      return {
        kind,
        probes: random.pick([['health'], ['database'], ['health', 'database']] as const).slice(),
        forMs: random.between(1_000, 3_000),
        intervalMs: random.between(200, 500),
        onInconclusive: random.chance(0.7) ? 'ask' : 'rollback',
      };
    case 'infra':
    case 'git':
    case 'reboot':
    case 'loadTest':
      return { kind };
  }
}
