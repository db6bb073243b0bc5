/** What a seed decides: the same every time, something else for another seed, and all of it worth a run. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../chaos/random.js';
import { drawSchedule, type FaultName } from '../../../chaos/schedule.js';

const seeds = Array.from({ length: 2_000 }, (_, index) => index + 1);

describe('a schedule', () => {
  it('is the same for the same seed, and hardly ever for two', () => {
    const texts = seeds.map((seed) => JSON.stringify({ ...drawSchedule(seed), seed: 0 }));
    expect(seeds.map((seed) => JSON.stringify({ ...drawSchedule(seed), seed: 0 }))).toEqual(texts);
    expect(new Set(texts).size).toBeGreaterThan(0.99 * seeds.length);
  });

  it('is the one that it was when reports were written: a number drawn more or less makes every seed another run', () => {
    const text = JSON.stringify(seeds.slice(0, 200).map(drawSchedule));
    expect(createHash('sha256').update(text).digest('hex').slice(0, 16)).toBe('4456faacd8cde77a');
  });

  it('draws every fault, and only such as its plan can meet', () => {
    const drawn = new Set<FaultName>();
    for (const seed of seeds) {
      const { faults, stages } = drawSchedule(seed);
      expect(faults.length).toBeGreaterThan(0);
      for (const { name, stage } of faults) {
        drawn.add(name);
        const kind = ABOUT[name];
        const steps = stages.find((each) => each.name === stage)?.steps ?? [];
        if (kind) expect(steps.map((step) => step.kind)).toContain(kind);
      }
    }
    expect([...drawn].sort()).toEqual(ALL);
  });

  it('changes something in every stage, and has each kind once at most', () => {
    for (const seed of seeds) {
      for (const { steps } of drawSchedule(seed).stages) {
        const kinds = steps.map(({ kind }) => kind);
        expect(new Set(kinds).size).toBe(kinds.length);
        expect(kinds.some((kind) => CHANGING.includes(kind))).toBe(true);
      }
    }
  });
});

describe('random numbers', () => {
  it('are spread evenly over what is asked for, both ends included', () => {
    const random = new Random(7);
    const counts = new Map<number, number>();
    for (let turn = 0; turn < 6_000; turn += 1) {
      const drawn = random.between(1, 6);
      counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it('weigh: what weighs nothing is never drawn', () => {
    const random = new Random(7);
    const drawn = Array.from({ length: 1_000 }, () => random.weigh({ often: 9, seldom: 1, never: 0 }));
    expect(drawn.filter((name) => name === 'often').length).toBeGreaterThan(850);
    expect(drawn.filter((name) => name === 'seldom').length).toBeGreaterThan(50);
    expect(drawn).not.toContain('never');
  });
});

const CHANGING = ['config', 'secret', 'deploy', 'infra', 'git', 'run'];

const ABOUT: Partial<Record<FaultName, string>> = {
  'secret changed by a colleague': 'secret',
  'file changed by a colleague': 'config',
  'file cannot be written': 'config',
  'infrastructure changed by a colleague': 'infra',
  'branch pushed to by a colleague': 'git',
  'release deployed by a colleague': 'deploy',
  'old release restarts by itself': 'deploy',
};

const ALL = [
  'AWS answer truncated',
  'AWS answers 500',
  'AWS answers late',
  'AWS answers nonsense',
  'AWS cut after the effect',
  'AWS cut before the effect',
  'AWS throttles',
  'PostgreSQL cut off',
  'PostgreSQL restarted',
  'Temporal server killed',
  'abort',
  'artifacts cannot be written',
  'branch pushed to by a colleague',
  'cancel',
  'file cannot be written',
  'file changed by a colleague',
  'health endpoint answers nonsense',
  'health endpoint flaps',
  'hold and resume',
  'infrastructure changed by a colleague',
  'malformed answers',
  'old release restarts by itself',
  'program fails',
  'release deployed by a colleague',
  'secret changed by a colleague',
  'worker killed',
  'worker of another build beside',
  'worker stopped (SIGTERM)',
];
