/** What programs print that is cut off, forged or of another version: one sentence, and nobody takes it for "all is well". */
import { describe, expect, it } from 'vitest';
import { createCommandTarget } from '../../../src/adapters/targets/command/index.js';
import type { CallDocker } from '../../../src/adapters/targets/dockerStack/docker.js';
import { readRecord } from '../../../src/adapters/targets/dockerStack/record.js';
import { readStack } from '../../../src/adapters/targets/dockerStack/stack.js';
import { parseContainers } from '../../../src/adapters/targets/ssh/services/compose.js';
import { parseList } from '../../../src/adapters/targets/ssh/services/pm2.js';
import type { runChild } from '../../../src/platform/children.js';
import { readEvent } from '../../../src/tools/terraform/output.js';
import { readPlan } from '../../../src/tools/terraform/plan.js';
import { NO_MESSAGE } from '../../support/bad-replies.js';
import { subjectOf } from '../../support/subject.js';
import { targetCall } from '../../support/target-call.js';

/** What the promise, or the function, fails with. */
async function failureOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    expect(message).not.toMatch(NO_MESSAGE);
    return message;
  }
  return expect.fail('it was content');
}

const NONSENSE = ['', ' ', '<html>', '{"a":', '[1', 'null', '"text"', '42', 'NaN', '\uFEFF{}x', '{}{}'];

describe('terraform show -json', () => {
  const PLAN = { resource_changes: [], configuration: { root_module: {} } };
  const same = (text: string) => text;

  it('reads what is one', () => {
    expect(readPlan(JSON.stringify(PLAN), same).changes).toEqual([]);
  });

  it.each(NONSENSE)('refuses %j', async (text) => {
    expect(await failureOf(() => readPlan(text, same))).toMatch(/The plan that terraform shows is/);
  });

  it.each([
    ['changes that are no list', { ...PLAN, resource_changes: {} }, 'resource_changes'],
    ['a change of null', { ...PLAN, resource_changes: [null] }, 'resource_changes.0'],
    [
      'actions as a text',
      {
        ...PLAN,
        resource_changes: [{ address: 'a', mode: 'managed', type: 't', change: { actions: 'no-op' } }],
      },
      'actions',
    ],
    ['no configuration', { resource_changes: [] }, 'configuration'],
    ['a module that is a list', { ...PLAN, configuration: { root_module: [] } }, 'configuration.root_module'],
    ['resources of null', { ...PLAN, configuration: { root_module: { resources: [null] } } }, 'resources.0'],
    ['a state that is a text', { ...PLAN, prior_state: { values: { root_module: 'x' } } }, 'prior_state'],
    [
      'modules in modules that are none',
      { ...PLAN, prior_state: { values: { root_module: { child_modules: [{ child_modules: 7 }] } } } },
      'child_modules',
    ],
    [
      'a variable that is null',
      { ...PLAN, configuration: { root_module: { variables: { a: null } } } },
      'variables.a',
    ],
  ])('refuses %s, and says where', async (_what, plan, place) => {
    const secret = { ...plan, variables: { password: { value: 'canary' } } };
    const message = await failureOf(() => readPlan(JSON.stringify(secret), same));
    expect(message).toContain(place);
    expect(message).not.toContain('canary');
  });

  it('an action of a later version is no "nothing to do"', () => {
    const change = { address: 'a.b', mode: 'managed', type: 'a', change: { actions: ['transmogrify'] } };
    expect(readPlan(JSON.stringify({ ...PLAN, resource_changes: [change] }), same).changes).toMatchObject([
      { action: 'replace' },
    ]);
  });
});

describe('a line of terraform -json', () => {
  it.each([
    ...NONSENSE,
    '{"type":7}',
    '{"type":"x","diagnostic":{"severity":1}}',
    '{"@level":"info"}',
    '{"type":"x","changes":{"add":"1"}}',
  ])('%j is no event', (line) => {
    expect(readEvent(line)).toBeUndefined();
  });
});

describe('docker', () => {
  const LISTED = JSON.stringify({ ID: 'abc', Name: 'shop_web', Replicas: '2/2' });
  const SPEC = { Name: 'shop_web', TaskTemplate: { ContainerSpec: { Image: 'shop:v1' } } };
  const INSPECTED = JSON.stringify([{ ID: 'abcdef', Spec: SPEC }]);
  const dockerOf =
    (listed: string, inspected: string): CallDocker =>
    async ([verb]) => ({ ok: true, stdout: verb === 'stack' ? listed : inspected, stderr: '' });
  const read = (listed: string, inspected = INSPECTED) =>
    readStack(dockerOf(listed, inspected), 'shop', undefined);

  it('reads what is a stack', async () => {
    expect(await read(LISTED)).toMatchObject({ main: { name: 'shop_web', running: 2, wanted: 2 } });
    for (const replicas of ['2/2 (max 1 per node)', '0/1 (1/1 completed)']) {
      expect((await read(LISTED.replace('2/2', replicas))).main.name).toBe('shop_web');
    }
  });

  it.each(NONSENSE.filter((text) => text.trim() !== ''))('refuses the list %j', async (text) => {
    expect(await failureOf(() => read(text))).toMatch(/docker stack services printed something/);
  });

  it.each(NONSENSE)('refuses the services %j', async (text) => {
    expect(await failureOf(() => read(LISTED, text))).toMatch(/docker service inspect printed something/);
  });

  it.each(['', '2', 'x/y', '-1/2', '2/-1', '1e9/2', 'NaN/NaN', '2/2x', '99999999999/1'])(
    'replicas %j do not pass for "none is wanted"',
    async (replicas) => {
      expect(await failureOf(() => read(LISTED.replace('2/2', replicas)))).toMatch(/Replicas/);
    },
  );

  it.each([
    ['fewer services than there are', '[]', /tells of 0 services of 1/],
    [
      'a service without an image',
      JSON.stringify([{ ID: 'abc', Spec: { Name: 'x', TaskTemplate: { ContainerSpec: {} } } }]),
      /Image/,
    ],
    ['labels that are a list', JSON.stringify([{ ID: 'abc', Spec: { ...SPEC, Labels: ['a'] } }]), /Labels/],
  ])('refuses %s', async (_what, inspected, why) => {
    expect(await failureOf(() => read(LISTED, inspected))).toMatch(why);
  });

  it.each([...NONSENSE, '[{"Spec":{"Data":"!!"}}]', '[{"Spec":{"Data":"e30x"}}]', '[{"Spec":{}}]'])(
    'refuses the record %j: what a stack was is not guessed',
    async (text) => {
      expect(await failureOf(() => readRecord(dockerOf('', text), 'shop', 'shop@1'))).toMatch(
        /docker config inspect/,
      );
    },
  );
});

describe('pm2 jlist, and docker compose ps', () => {
  it.each([
    ...NONSENSE,
    '[null]',
    '[{"name":"shop"}]',
    '[{"name":"shop","pm2_env":{"status":"online"}}]',
    '[{"name":"shop","pm2_env":{"status":1,"restart_time":0}}]',
    '[{"name":"shop","pm2_env":{"status":"online","restart_time":"0"}}]',
  ])('%j is no list of processes', (text) => {
    expect(parseList(text)).toBeUndefined();
  });

  it.each([
    ...NONSENSE.filter((text) => text.trim() !== ''),
    '[null]',
    '{"ID":"a"}',
    '{"ID":1,"Service":"shop","State":"running"}',
  ])('%j is no list of containers', (text) => {
    expect(parseContainers(text)).toBeUndefined();
  });
});

/** A program that prints `stdout` and ends well. */
const printing =
  (stdout: string): typeof runChild =>
  async () => ({ exitCode: 0, signal: null, stdout, stderr: '', timedOut: false, durationMs: 1 });

describe('the status of a command target', () => {
  const release = { id: 'green', version: 'v1', url: 'http://shop.example.com' };
  const statusOf = (text: string) => {
    const target = createCommandTarget({ runChild: printing(text), commandsEnabled: true });
    const config = { status: ['status'], promote: ['promote'] };
    return target.status({ ...targetCall('/', {}), context: subjectOf('/').context, config });
  };

  it('is read', async () => {
    expect((await statusOf(JSON.stringify({ live: release, candidate: null }))).live).toEqual(release);
  });

  it.each([
    ...NONSENSE,
    '{"live":null,"candidate":null}',
    '{"candidate":null}',
    JSON.stringify({ live: release }),
    JSON.stringify({ live: { ...release, id: '' }, candidate: null }),
    JSON.stringify({ live: { ...release, id: 7 }, candidate: null }),
    JSON.stringify({ live: release, candidate: { id: 'x' } }),
    JSON.stringify({ live: { ...release, id: 'x'.repeat(1_000) }, candidate: null }),
    JSON.stringify({ live: { ...release, id: 'a\nb' }, candidate: null }),
    JSON.stringify({ live: { ...release, version: '\u001b[2J' }, candidate: null }),
    JSON.stringify({ live: { ...release, url: 'shop' }, candidate: null }),
    `{"live":${JSON.stringify(release)},"live":${JSON.stringify({ ...release, id: 'blue' })},"candidate":null}`,
  ])('%j is none', async (text) => {
    expect(await failureOf(() => statusOf(text))).toMatch(/The command target's status printed/);
  });
});
