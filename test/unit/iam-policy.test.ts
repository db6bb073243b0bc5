/** The policies of examples/aws: what the code calls, no more and no less, in the grammar of IAM. */
import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

interface Statement {
  Sid: string;
  Effect: string;
  Action: string | string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string>>;
}

const read = async (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
const statementsOf = async (name: string): Promise<Statement[]> =>
  JSON.parse(await read(`examples/aws/${name}.json`)).Statement;
const actionsOf = (statements: Statement[]) =>
  [...new Set(statements.flatMap(({ Action }) => Action))].sort();

const PREFIXES: Record<string, string> = {
  cloudwatch: 'cloudwatch',
  rds: 'rds',
  s3: 's3',
  'secrets-manager': 'secretsmanager',
};

/** What AWS asks for on top of the action of the same name. */
const IMPLIED: Record<string, string[]> = {
  // So that what is not there is told from what may not be read.
  's3:GetObject': ['s3:ListBucket'],
  // A key of the secret's own.
  'secretsmanager:GetSecretValue': ['kms:Decrypt'],
  'secretsmanager:PutSecretValue': ['kms:Decrypt', 'kms:GenerateDataKey'],
};

async function sourceFiles(): Promise<string[]> {
  const entries = await readdir(new URL('../../src', import.meta.url), { recursive: true });
  return entries.filter((path) => path.endsWith('.ts')).map((path) => `src/${path}`);
}

/** `secretsmanager:PutSecretValue` for each command that is imported as a value. */
async function calledActions(): Promise<string[]> {
  const texts = await Promise.all((await sourceFiles()).map(read));
  const imports = texts.flatMap((text) => [
    ...text.matchAll(/import \{([^}]+)\} from '@aws-sdk\/client-([\w-]+)'/g),
  ]);
  return imports.flatMap(([, names = '', client = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => /^[A-Z]\w+Command$/.test(name))
      .map((name) => `${PREFIXES[client]}:${name.replace(/Command$/, '')}`),
  );
}

it('finds the commands of every client that is a dependency', async () => {
  const { dependencies } = JSON.parse(await read('package.json'));
  const clients = Object.keys(dependencies).filter((name) => name.startsWith('@aws-sdk/client-'));
  expect(clients.map((name) => name.replace('@aws-sdk/client-', '')).sort()).toEqual(
    Object.keys(PREFIXES).sort(),
  );
  const called = await calledActions();
  for (const prefix of Object.values(PREFIXES)) {
    expect(called.filter((action) => action.startsWith(`${prefix}:`)).length).toBeGreaterThan(0);
  }
});

it('no command reaches AWS but by these imports', async () => {
  for (const path of await sourceFiles()) {
    const text = await read(path);
    const mentions = text.match(/@aws-sdk\/[\w-]+/g) ?? [];
    const imported = text.match(/from '@aws-sdk\/client-[\w-]+'/g) ?? [];
    expect({ path, mentions: mentions.length }).toEqual({ path, mentions: imported.length });
  }
});

it('the policy of a worker allows what the code calls, no more and no less', async () => {
  const called = await calledActions();
  const needed = [...called, ...called.flatMap((action) => IMPLIED[action] ?? [])];
  expect(actionsOf(await statementsOf('worker-policy'))).toEqual([...new Set(needed)].sort());
});

it('the policy of the state names what both locks of the S3 backend need', async () => {
  expect(actionsOf(await statementsOf('terraform-state-policy'))).toEqual([
    ...['dynamodb:DeleteItem', 'dynamodb:DescribeTable', 'dynamodb:GetItem', 'dynamodb:PutItem'],
    ...['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject'],
  ]);
});

it.each(['worker-policy', 'terraform-state-policy'])('%s is a policy as IAM takes it', async (name) => {
  const text = await read(`examples/aws/${name}.json`);
  const policy = JSON.parse(text);
  expect(Object.keys(policy)).toEqual(['Version', 'Statement']);
  expect(policy.Version).toBe('2012-10-17');
  // The limit of a managed policy; white space does not count.
  expect(text.replace(/\s/g, '').length).toBeLessThan(6_144);
  const statements: Statement[] = policy.Statement;
  expect(new Set(statements.map(({ Sid }) => Sid)).size).toBe(statements.length);
  for (const { Sid, Effect, Action, Resource, Condition, ...more } of statements) {
    expect(more).toEqual({});
    expect(Sid).toMatch(/^[A-Za-z0-9]+$/);
    expect(Effect).toBe('Allow');
    for (const action of [Action].flat()) expect(action).toMatch(/^[a-z0-9]+:[A-Z][A-Za-z]+$/);
    for (const resource of [Resource].flat()) {
      if (resource === '*') expect(Condition).toEqual({ StringEquals: { 'aws:RequestedRegion': 'REGION' } });
      else expect(resource).toMatch(/^arn:aws:[a-z0-9]+:(REGION)?:(ACCOUNT)?:[^*]+(\/\*)?$/);
    }
  }
});

it('only what knows no resource is allowed on all of them', async () => {
  const wide = (await statementsOf('worker-policy')).filter(({ Resource }) => Resource === '*');
  expect(actionsOf(wide)).toEqual([
    'cloudwatch:DescribeAlarms',
    'cloudwatch:GetMetricStatistics',
    'rds:DescribeEvents',
  ]);
});
