/** The steps that change something: what they become, and which of them can be taken back. */
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../../src/plan/parse.js';

function parse(...steps: string[]) {
  const text = [
    'apiVersion: headgate/v1',
    'application: shop',
    'version: v1',
    'probes:',
    '  asked: { http: { url: "http://shop.example.com" }, expect: { path: status, equals: 200 } }',
    'stages:',
    '  - name: production',
    '    steps:',
    ...steps.map((step) => `      - ${step}`),
    '',
  ].join('\n');
  return parsePlan({ text, file: 'rollout.yaml', overrides: {} });
}

const only = (...steps: string[]) => parse(...steps).draft?.stages[0]?.steps[0];
const CHECK = 'check: { probes: [asked] }';

describe('what a step becomes', () => {
  it('config: a file here or behind SSH, values as text', () => {
    expect(only('config: { local: { file: "${env:FILE}" }, set: { POOL: 50, ON: true } }')).toMatchObject({
      onRollback: 'revert',
      config: { place: { kind: 'local', file: '${env:FILE}' }, set: { POOL: '50', ON: 'true' } },
    });
    expect(
      only('config: { ssh: { host: app, port: 2222, file: /app/.env }, set: { POOL: 50 } }'),
    ).toMatchObject({ config: { place: { kind: 'ssh', host: 'app', port: 2222, file: '/app/.env' } } });
  });

  it('infra: the type of a variable is kept, what is left out is empty', () => {
    const step = only('infra: { tofu: infra, vars: { max: 100 }, undo: { vars: { max: 80 } } }', CHECK);
    expect(step).toMatchObject({
      onRollback: 'revert',
      config: {
        tool: 'tofu',
        directory: 'infra',
        vars: { max: 100 },
        undo: { varFiles: [], vars: { max: 80 } },
        allow: [],
        targets: [],
        abortGraceMs: 300_000,
      },
    });
  });

  it('what has no way back is kept, without anybody saying so', () => {
    expect(only('infra: { terraform: infra }', CHECK)?.onRollback).toBe('keep');
    expect(only('reboot: { rdsInstance: db }')?.onRollback).toBe('keep');
    expect(only('git: { tag: v1, messageFile: release.md }')?.onRollback).toBe('keep');
    expect(only('git: { paths: [a], tag: v1, messageFile: release.md }')?.onRollback).toBe('revert');
    expect(only('run: { command: [./migrate] }')?.onRollback).toBe('keep');
    expect(only('run: { command: [./migrate], undo: [./migrate, down] }')?.onRollback).toBe('revert');
  });

  it('folders and files that a step names travel with the plan', () => {
    const { files } = parse(
      'infra: { terraform: infra }',
      'git: { tag: v1, messageFile: release.md }',
      CHECK,
    );
    expect(files.map(({ path }) => path)).toEqual(['infra', 'release.md']);
  });
});

describe('what cannot be taken back', () => {
  it.each([
    ['reboot: { rdsInstance: db }', 'revert', 'onRollback: keep'],
    ['reboot: { rdsInstance: db }', 'ask', 'onRollback: keep'],
    ['infra: { terraform: infra }', 'revert', 'onRollback: keep or ask'],
    ['run: { command: [./migrate] }', 'revert', 'onRollback: keep or ask'],
  ])('%s with onRollback: %s is a fault at its place', (step, wanted, expected) => {
    const { faults, draft } = parse(`{ ${step}, onRollback: ${wanted} }`, CHECK);
    expect(draft).toBeUndefined();
    expect(faults).toMatchObject([{ code: 'cannotRevert', line: 9, found: wanted, expected }]);
    expect(faults[0]?.path).toMatch(/onRollback/);
  });

  it.each([
    ['infra: { terraform: infra }', 'ask'],
    ['infra: { terraform: infra, undo: { vars: { max: 80 } } }', 'revert'],
    ['run: { command: [./migrate], undo: [./migrate, down] }', 'revert'],
    ['git: { tag: v1, messageFile: release.md }', 'revert'],
  ])('%s with onRollback: %s is none', (step, wanted) => {
    const { faults, draft } = parse(`{ ${step}, onRollback: ${wanted} }`, CHECK);
    expect(faults).toEqual([]);
    expect(draft?.stages[0]?.steps[0]?.onRollback).toBe(wanted);
  });
});

it('an infrastructure that no probe asks is warned of: terraform alone can be wrong', () => {
  expect(parse('infra: { terraform: infra }', CHECK).warnings.map(({ code }) => code)).toEqual([]);
  expect(parse(CHECK, 'infra: { terraform: infra }').warnings).toMatchObject([
    { code: 'unprobedInfra', line: 10 },
  ]);
});

it('a secret in an argument of a run step is a fault', () => {
  const { faults } = parse('run: { command: [./migrate, "${env:PASSWORD}"] }');
  expect(faults).toMatchObject([{ code: 'secretArgument', found: '${env:PASSWORD}' }]);
});
