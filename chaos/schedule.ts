/** What a seed decides before anything is started: the plan, how people answer, which faults come and when. Pure. */
import { drawFaults } from './draw-faults.js';
import { drawStages } from './draw-plan.js';
import { Random } from './random.js';

/** The last gate of the plan holds, or not. */
export type Ending = 'passes' | 'fails';

export type ApprovalAnswer = 'approve' | 'reject' | 'never' | 'approve and abort together';

/** One step of a stage; a stage has one of each kind at most, so that its kind is its id. */
export type DrawnStep =
  | { kind: 'config' | 'secret'; onRollback?: 'keep' | 'ask' }
  | { kind: 'infra' | 'git' | 'reboot' }
  | { kind: 'loadTest' }
  | { kind: 'deploy'; staged: boolean }
  | { kind: 'check'; probe: 'health' | 'database' }
  | { kind: 'approval'; answer: ApprovalAnswer; delayMs: number; timeoutMs: number }
  | {
      kind: 'monitor';
      probes: ('health' | 'database')[];
      forMs: number;
      intervalMs: number;
      onInconclusive: 'ask' | 'rollback';
    }
  | { kind: 'run'; verified: boolean };

export interface DrawnStage {
  name: 'staging' | 'production';
  steps: DrawnStep[];
}

/** When a fault strikes: so long after the start, or when a fact comes for the nth time (`putSecret before`). */
export type Moment = { afterMs: number } | { fact: string; nth: number };

/** Names of the table in docs/reliability.md. */
export type FaultName =
  | 'worker killed'
  | 'worker stopped (SIGTERM)'
  | 'Temporal server killed'
  | 'AWS answers 500'
  | 'AWS throttles'
  | 'AWS cut before the effect'
  | 'AWS cut after the effect'
  | 'AWS answers late'
  | 'AWS answers nonsense'
  | 'AWS answer truncated'
  | 'PostgreSQL restarted'
  | 'PostgreSQL cut off'
  | 'health endpoint flaps'
  | 'health endpoint answers nonsense'
  | 'abort'
  | 'cancel'
  | 'hold and resume'
  | 'secret changed by a colleague'
  | 'file changed by a colleague'
  | 'infrastructure changed by a colleague'
  | 'branch pushed to by a colleague'
  | 'release deployed by a colleague'
  | 'old release restarts by itself'
  | 'file cannot be written'
  | 'artifacts cannot be written'
  | 'program fails'
  | 'worker of another build beside'
  | 'malformed answers';

export interface Fault {
  name: FaultName;
  at: Moment;
  /** The stage whose thing is meant, where it is one of a stage. */
  stage?: DrawnStage['name'];
  /** How often, or how long; what it means depends on the fault. */
  times: number;
  forMs: number;
  /** Of a colleague: the very key that the plan sets, or one beside it. */
  same: boolean;
}

export interface Schedule {
  seed: number;
  stages: DrawnStage[];
  ending: Ending;
  /** Absent: as long as it takes. */
  deadlineMs?: number;
  faults: Fault[];
  /** What is done about things that could not be restored. */
  whenStuck: 'mend' | 'accept';
  /** What is answered where evidence is missing or nobody knows what was done. */
  whenAsked: 'go on' | 'abort';
  /** How long a killed worker, server or program stays away. */
  awayMs: number;
}

const DEADLINE_SHARE = 0.04;

export function drawSchedule(seed: number): Schedule {
  const random = new Random(seed);
  const stages = drawStages(random);
  const ending = random.chance(0.3) ? 'fails' : 'passes';
  return {
    seed,
    stages,
    ending,
    ...(random.chance(DEADLINE_SHARE) ? { deadlineMs: random.between(3_000, 9_000) } : {}),
    faults: drawFaults(random, stages, ending),
    whenStuck: random.chance(0.6) ? 'mend' : 'accept',
    whenAsked: random.chance(0.8) ? 'go on' : 'abort',
    awayMs: random.between(0, 1_500),
  };
}
