/** What is made of a plan's JSON: nothing sensitive is left in it, and nothing that matters is lost. */
import { describe, expect, it } from 'vitest';
import { readPlan } from '../../../src/tools/terraform/plan.js';

type Fields = Record<string, unknown>;

const NOTHING = { before_sensitive: {}, after_sensitive: {}, after_unknown: {} };

function changeOf(address: string, change: Fields, rest: Fields = {}) {
  const type = address.split('.')[0];
  return { address, mode: 'managed', type, name: 'x', change: { ...NOTHING, ...change }, ...rest };
}

function read(plan: Fields, redact = (text: string) => text) {
  const configuration = { root_module: {} };
  return readPlan(JSON.stringify({ format_version: '1.2', configuration, ...plan }), redact);
}

function only(change: ReturnType<typeof changeOf>) {
  const { changes } = read({ resource_changes: [change] });
  expect(changes).toHaveLength(1);
  return changes[0];
}

describe('a line', () => {
  it.each([
    [
      'creates, without what is known only afterwards',
      { actions: ['create'], before: null, after: { size: 1, none: null }, after_unknown: { id: true } },
      'a.x: create (size: 1)',
    ],
    [
      'changes in place, and says what is not known yet',
      {
        actions: ['update'],
        before: { size: 1, same: 's', url: 'u' },
        after: { size: 2, same: 's' },
        after_unknown: { url: true },
      },
      'a.x: update in place (size: 1 → 2; url: "u" → known after apply)',
    ],
    [
      'replaces, and says what forces it',
      {
        actions: ['delete', 'create'],
        before: { engine: 'a' },
        after: { engine: 'b' },
        replace_paths: [['engine']],
      },
      'a.x: destroy and create again, because engine cannot be changed in place (engine: "a" → "b")',
    ],
    ['destroys', { actions: ['delete'], before: { size: 1 }, after: null }, 'a.x: destroy'],
    [
      'lets go',
      { actions: ['forget'], before: { size: 1 }, after: null },
      'a.x: forget: it stays as it is and is no longer managed',
    ],
    ['imports', { actions: ['no-op'], before: {}, after: {}, importing: { id: 'i' } }, 'a.x: import'],
  ])('%s', (_what, change, expected) => {
    expect(only(changeOf('a.x', change))?.line).toBe(expected);
  });

  it('moves', () => {
    const change = { actions: ['no-op'], before: {}, after: {} };
    expect(only(changeOf('a.x', change, { previous_address: 'a.old' }))?.line).toBe('a.x: move from a.old');
  });

  it('of many blocks shows those that differ', () => {
    const parameter = (name: string, value: string) => ({ apply_method: 'pending-reboot', name, value });
    const others = Array.from({ length: 30 }, (_unused, index) => parameter(`p${index}`, 'v'));
    const line = only(
      changeOf('aws_db_parameter_group.main', {
        actions: ['update'],
        before: { parameter: [...others, parameter('max_connections', '50')] },
        after: { parameter: [parameter('max_connections', '100'), ...others] },
      }),
    )?.line;
    expect(line).toBe(
      'aws_db_parameter_group.main: update in place (parameter: {"apply_method":"pending-reboot","name":"max_connections","value":"50"} → {"apply_method":"pending-reboot","name":"max_connections","value":"100"})',
    );
  });

  it('clips long values and long lists of attributes', () => {
    const after = Object.fromEntries('abcdefghij'.split('').map((key) => [key, 'x'.repeat(100)]));
    const line = only(changeOf('a.x', { actions: ['create'], before: null, after }))?.line ?? '';
    expect(line).toContain(`a: "${'x'.repeat(78)}…`);
    expect(line).toMatch(/; and 4 more\)$/);
  });

  it('nothing to do and nothing but read is no change', () => {
    const changes = ['no-op', 'read'].map((action) =>
      changeOf('a.x', { actions: [action], before: {}, after: {} }),
    );
    expect(read({ resource_changes: changes }).changes).toEqual([]);
  });

  it('an action that no version has had so far counts as the worst', () => {
    expect(only(changeOf('a.x', { actions: ['explode'], before: {}, after: {} }))?.action).toBe('replace');
  });

  it('what terraform has set aside bears the address that has to be allowed', () => {
    const change = changeOf('a.x', { actions: ['delete'], before: {}, after: null }, { deposed: '1a2b3c4d' });
    expect(only(change)).toMatchObject({
      address: 'a.x (deposed 1a2b3c4d)',
      resource: 'a.x',
      action: 'delete',
    });
  });
});

describe('what is sensitive', () => {
  const update = {
    actions: ['update'],
    before: { user: 'u', password: 'canary-old', nested: { keys: ['canary-a', 'b'] } },
    after: { user: 'v', password: 'canary-new', nested: { keys: ['canary-a', 'b'] } },
    before_sensitive: { password: true, nested: { keys: [true, false] } },
    after_sensitive: { password: true },
  };

  it('is masked before and after, whichever side marks it, and says whether it changes', () => {
    const change = only(changeOf('a.x', update));
    expect(change?.after).toEqual({
      user: 'v',
      password: '(sensitive, changed)',
      nested: { keys: ['(sensitive)', 'b'] },
    });
    expect(JSON.stringify(change)).not.toContain('canary');
    expect(change?.line).toContain('password: "(sensitive)" → "(sensitive, changed)"');
  });

  it('a whole value that is sensitive', () => {
    const change = { ...update, before_sensitive: true, after_sensitive: true };
    expect(only(changeOf('a.x', change))).toMatchObject({
      before: '(sensitive)',
      after: '(sensitive, changed)',
    });
  });

  it('an output', () => {
    const output = {
      actions: ['create'],
      before: null,
      after: 'canary',
      before_sensitive: true,
      after_sensitive: true,
    };
    const { changes } = read({ output_changes: { token: { ...NOTHING, ...output } } });
    expect(changes).toMatchObject([
      { address: 'output.token', kind: 'output', line: 'output.token: create ("(sensitive)")' },
    ]);
    expect(JSON.stringify(changes)).not.toContain('canary');
  });

  it('what only the worker knows to be secret is masked by the worker', () => {
    const change = changeOf('a.x', {
      actions: ['create'],
      before: null,
      after: { url: 'https://canary@host' },
    });
    const redact = (text: string) => text.replaceAll('canary', '[redacted]');
    expect(JSON.stringify(read({ resource_changes: [change] }, redact).changes)).not.toContain('canary');
  });
});

describe('warnings', () => {
  const parameters = (value: string, method: string) => ({
    parameter: [{ name: 'max_connections', value, apply_method: method }],
  });

  it.each([
    ['a changed static parameter', '50', '100', 'pending-reboot', ['aws_db_parameter_group.main']],
    ['one that takes effect at once', '50', '100', 'immediate', []],
    ['one that stays as it is', '100', '100', 'pending-reboot', []],
  ])('waits for a reboot: %s', (_what, before, after, method, expected) => {
    const change = {
      actions: ['update'],
      before: parameters(before, method),
      after: { ...parameters(after, method), tags: {} },
    };
    expect(
      read({ resource_changes: [changeOf('aws_db_parameter_group.main', change)] }).pendingReboot,
    ).toEqual(expected);
  });

  it('what was changed outside of terraform', () => {
    const change = { actions: ['update'], before: { size: 1 }, after: { size: 3 } };
    expect(read({ resource_drift: [changeOf('a.x', change)] }).drift).toEqual([
      'a.x: update in place (size: 1 → 3)',
    ]);
  });
});

describe('the state', () => {
  const resource = (address: string, values: Fields, sensitive_values: unknown = {}) => ({
    address,
    mode: 'managed',
    values,
    sensitive_values,
  });
  const configuration = {
    root_module: {
      resources: [
        { address: 'a.x', expressions: { size: {}, block: [{ kept: {} }] } },
        { address: 'b.y', expressions: { of: {} } },
      ],
      module_calls: { m: { module: { resources: [{ address: 'c.z', expressions: { name: {} } }] } } },
      variables: { plain: {}, hidden: { sensitive: true } },
    },
  };
  const stateOf = (resources: unknown[], child_modules: unknown[] = []) =>
    read({ configuration, prior_state: { values: { root_module: { resources, child_modules } } } }).state;

  it('holds what the configuration sets, not what a provider makes up', () => {
    const values = { size: 1, id: 'i-1', endpoint: 'e', block: [{ kept: 1, made: 'm' }] };
    expect(stateOf([resource('a.x', values)])).toEqual({ 'a.x': { size: 1, block: [{ kept: 1 }] } });
  });

  it('is the same after a replacement: another resource that it refers to is named', () => {
    const replacedAs = (id: string) =>
      stateOf([resource('a.x', { size: 1, id }), resource('b.y', { of: id, id: `b-${id}` })]);
    expect(replacedAs('i-1')).toEqual(replacedAs('i-2'));
    expect(replacedAs('i-1')).toMatchObject({ 'b.y': { of: '(id of a.x)' } });
    expect(stateOf([resource('b.y', { of: 'elsewhere' })])).not.toEqual(
      stateOf([resource('b.y', { of: 'there' })]),
    );
  });

  it('holds blocks that a dynamic block has written, and all of what is in no configuration', () => {
    expect(stateOf([resource('b.y', { of: 1, rules: [{ port: 1 }] })])).toEqual({
      'b.y': { of: 1, rules: [{ port: 1 }] },
    });
    expect(stateOf([resource('gone.x', { id: 'g', size: 3 })])).toEqual({ 'gone.x': { size: 3 } });
  });

  it('finds the instances of modules, and leaves data sources out', () => {
    const child = { resources: [resource('module.m["a.b"].c.z[0]', { name: 'n', id: 'i' })] };
    const data = { ...resource('data.d.e', { size: 1 }), mode: 'data' };
    expect(stateOf([data], [child])).toEqual({ 'module.m["a.b"].c.z[0]': { name: 'n' } });
  });

  it('holds of a sensitive value only whether there is one', () => {
    expect(stateOf([resource('a.x', { size: 'canary' }, { size: true })])).toEqual({
      'a.x': { size: '(sensitive)' },
    });
    expect(stateOf([resource('a.x', { size: null }, { size: true })])).toEqual({ 'a.x': { size: null } });
  });

  it('tells what may be named: variables, and addresses with and without index', () => {
    const child = { resources: [resource('module.m[1].c.z', { name: 'n' })] };
    const plan = read({
      configuration,
      prior_state: { values: { root_module: { child_modules: [child] } } },
    });
    expect(plan.variables).toEqual({ plain: { sensitive: false }, hidden: { sensitive: true } });
    expect(plan.addresses).toEqual(['a.x', 'b.y', 'module.m', 'module.m.c.z', 'module.m[1].c.z']);
  });
});
