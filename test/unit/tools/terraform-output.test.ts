/** What terraform says, and what is made of it. The texts are those of 1.8.5 and 1.11.4. */
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/tools/terraform/failures.js';
import { backendFile, terraformEnvironment } from '../../../src/tools/terraform/files.js';
import {
  type Diagnostic,
  describeLock,
  readEvent,
  readLock,
  readTextErrors,
} from '../../../src/tools/terraform/output.js';

const locked = (message: string, fields: Record<string, string>): Diagnostic => ({
  severity: 'error',
  summary: 'Error acquiring the state lock',
  detail: `Error message: ${message}\nLock Info:\n${Object.entries(fields)
    .map(([key, value]) => `  ${`${key}:`.padEnd(11)}${value}`)
    .join(
      '\n',
    )}\n\n\nTerraform acquires a state lock to protect the state from being written\nby multiple users`,
});
const HOLDER = {
  ID: 'e1aaeda9-6d80-28f6-a031-628cd745cfba',
  Path: 'states/a.tfstate',
  Operation: 'OperationTypeApply',
  Who: 'bob@laptop',
  Version: '1.11.4',
  Created: '2026-11-24 21:48:08.603990151 +0000 UTC',
  Info: '',
};
const LATER = Date.parse('2026-11-24T21:48:10Z');

describe('a state lock', () => {
  it('names its holder', () => {
    const lock = readLock(locked('ConditionalCheckFailedException', HOLDER), LATER);
    expect(lock).toEqual({
      id: HOLDER.ID,
      who: 'bob@laptop',
      operation: 'OperationTypeApply',
      createdMs: Date.parse('2026-11-24T21:48:08.603Z'),
    });
    expect(lock && describeLock(lock)).toBe(
      `bob@laptop (apply) since 2026-11-24T21:48:08.603Z, lock ${HOLDER.ID}`,
    );
  });

  it('the http backend puts what it asked for itself in the place of the holder: only the id is known', () => {
    const own = { ...HOLDER, ID: 'baeea2cf-6f38-557e-3e99-db9c162aa319', Who: 'root@worker', Path: '' };
    const lock = readLock(locked(`HTTP remote state already locked: ID=${HOLDER.ID}`, own), LATER);
    expect(lock).toEqual({ id: HOLDER.ID });
    expect(lock && describeLock(lock)).toBe(`somebody, lock ${HOLDER.ID}`);
  });

  it.each([
    ['younger than our question', LATER - 10_000],
    ['as old as it', Date.parse('2026-11-24T21:48:08.603Z')],
  ])('one that is %s may be our own question', (_what, startedAtMs) => {
    expect(readLock(locked('x', HOLDER), startedAtMs)).toEqual({ id: HOLDER.ID });
  });

  it('without readable information it has no holder that could be dead', () => {
    expect(readLock(locked('x', { ID: 'i', Created: 'yesterday', Who: 'me' }), LATER)).toEqual({ id: 'i' });
    expect(readLock({ severity: 'error', summary: 'Something else', detail: '' }, LATER)).toBeUndefined();
  });
});

describe('text of init', () => {
  it('summary, file and line, without the announcement', () => {
    const text = `
Error: Terraform encountered problems during initialisation, including problems
with the configuration, described below.

The Terraform configuration must be valid before initialization so that
Terraform can determine which modules and providers need to be installed.


Error: Invalid expression

  on main.tf line 3, in resource "terraform_data" "x":
   3: }

Expected the start of an expression, but found an invalid expression token.
`;
    expect(readTextErrors(text)).toEqual([
      {
        severity: 'error',
        summary: 'Invalid expression',
        detail: 'Expected the start of an expression, but found an invalid expression token.',
        range: { filename: 'main.tf', start: { line: 3 } },
      },
    ]);
  });

  it('errors without a place, wrapped', () => {
    const text = `
Error: Failed to query available provider packages

Could not retrieve the list of available versions for provider hashicorp/aws:
could not connect to registry.terraform.io: no such host
`;
    expect(readTextErrors(text)).toEqual([
      {
        severity: 'error',
        summary: 'Failed to query available provider packages',
        detail:
          'Could not retrieve the list of available versions for provider hashicorp/aws: could not connect to registry.terraform.io: no such host',
      },
    ]);
  });
});

describe('what a failure means', () => {
  const failing = { what: 'terraform cannot plan infra/aws', tool: 'terraform', folder: 'infra/aws' };
  const diagnostic = (rest: Partial<Diagnostic>): Diagnostic => ({
    severity: 'error',
    summary: 'S',
    detail: '',
    ...rest,
  });
  const range = { filename: 'main.tf', start: { line: 7 } };
  const typeOf = (error: Error) => (error instanceof ApplicationFailure ? error.type : 'repeatable');

  it.each([
    ['a fault of the configuration', diagnostic({ range, detail: 'timeout' }), 'Invalid'],
    [
      'credentials',
      diagnostic({
        address: 'provider["aws"]',
        range,
        detail: 'no valid credential sources for Terraform AWS Provider found',
      }),
      'NotPermitted',
    ],
    [
      'a missing permission',
      diagnostic({ address: 'aws_x.y', detail: 'api error AccessDenied: User is not authorized' }),
      'NotPermitted',
    ],
    [
      'a network that fails',
      diagnostic({ detail: 'dial tcp 10.0.0.1:443: connection refused' }),
      'repeatable',
    ],
    [
      'an API that is busy',
      diagnostic({ address: 'aws_x.y', detail: 'api error Throttling: Rate exceeded' }),
      'repeatable',
    ],
    [
      'what an API refuses',
      diagnostic({ address: 'aws_x.y', detail: 'InvalidParameterValue: no such parameter' }),
      'Invalid',
    ],
  ])('%s', (_what, found, type) => {
    expect(typeOf(explain(failing, [found], ''))).toBe(type);
  });

  it('is told with place, resource and reason, the causes only', () => {
    const found = [
      diagnostic({ summary: 'Broken', detail: 'It is\n  broken.', address: 'a.x', range }),
      diagnostic({ summary: 'execution halted' }),
      diagnostic({ severity: 'warning', summary: 'Old' }),
    ];
    expect(explain(failing, found, '').message).toBe(
      'terraform cannot plan infra/aws: infra/aws/main.tf:7: a.x: Broken: It is broken.',
    );
    const many = Array.from({ length: 5 }, (_unused, index) => diagnostic({ summary: `E${index}` }));
    expect(explain(failing, many, '').message).toMatch(/: E0; E1; E2; and 2 more$/);
    expect(explain(failing, [], 'panic:\n oh').message).toBe('terraform cannot plan infra/aws: panic: oh');
  });

  it('without a lock file of the providers: what has to be committed', () => {
    const [found] = readTextErrors(`
Error: Provider dependency changes detected

Changes to the required provider dependencies were detected, but the lock
file is read-only. To use and record these requirements, run "terraform init"
without the "-lockfile=readonly" flag.
`);
    const error = explain(failing, found ? [found] : [], '');
    expect(typeOf(error)).toBe('Invalid');
    expect(error.message).toContain('run "terraform -chdir=infra/aws init" and commit .terraform.lock.hcl');
  });
});

it('a line that is no event is none', () => {
  expect(readEvent('There are some problems with the CLI configuration:')).toBeUndefined();
  expect(readEvent('{"broken')).toBeUndefined();
  expect(readEvent('{"no":"type"}')).toBeUndefined();
  expect(readEvent('{"type":"apply_start","hook":{"resource":{"addr":"a.x"},"action":"create"}}')).toEqual({
    type: 'apply_start',
    hook: { resource: { addr: 'a.x' } },
  });
});

it('settings of a backend are HCL strings, and templates in them are not meant', () => {
  expect(backendFile({ path: 'a"b\\c', key: '${env} %{if}', line: 'x\ny' })).toBe(
    'path = "a\\"b\\\\c"\nkey = "$${env} %%{if}"\nline = "x\\u000ay"\n',
  );
});

it('of the worker it sees what reaches clouds and registries, and no variable or argument that nobody approved', () => {
  const env = {
    AWS_PROFILE: 'p',
    GOOGLE_CREDENTIALS: 'g',
    ARM_CLIENT_ID: 'a',
    TF_TOKEN_app_terraform_io: 't',
    TF_CLI_CONFIG_FILE: 'f',
    https_proxy: 'h',
    SSL_CERT_FILE: 's',
    TF_VAR_size: '9',
    TF_CLI_ARGS_apply: '-destroy',
    TF_WORKSPACE: 'other',
    TF_LOG: 'trace',
    ADMIN_TOKEN: 'canary',
  };
  expect(Object.keys(terraformEnvironment(env, '/data')).sort()).toEqual(
    [
      'ARM_CLIENT_ID',
      'AWS_PROFILE',
      'CHECKPOINT_DISABLE',
      'GOOGLE_CREDENTIALS',
      'SSL_CERT_FILE',
      'TF_CLI_CONFIG_FILE',
      'TF_DATA_DIR',
      'TF_INPUT',
      'TF_IN_AUTOMATION',
      'TF_TOKEN_app_terraform_io',
      'https_proxy',
    ].sort(),
  );
});
