/** `source`: which repositories and refs a plan may name, and what its steps may then not do. */
import { describe, expect, it } from 'vitest';
import { checkGitUrl, isRefName, showSource } from '../../../src/plan/git-url.js';
import { parsePlan } from '../../../src/plan/parse.js';

function parse(source: string, ...steps: string[]) {
  const text = [
    'apiVersion: headgate/v1',
    'application: shop',
    'version: v1',
    `source: ${source}`,
    'vars: { ref: v1.0.1 }',
    'probes:',
    '  asked: { http: { url: "http://shop.example.com", bodyFile: body.json, method: POST }, expect: { path: status, equals: 200 } }',
    'stages:',
    '  - name: production',
    '    steps:',
    ...['check: { probes: [asked] }', ...steps].map((step) => `      - ${step}`),
    '',
  ].join('\n');
  return parsePlan({ text, file: 'rollout.yaml', overrides: {} });
}

const RIGHT = '{ git: https://example.com/acme/shop.git, ref: main }';

describe('an address', () => {
  it.each([
    'https://github.com/acme/shop.git',
    'https://git.example.com:8443/acme/shop',
    'ssh://git@github.com/acme/shop.git',
    'ssh://git.example.com:2222/acme/shop.git',
    'git@github.com:acme/shop.git',
    'file:///srv/git/shop.git',
    '/srv/git/shop.git',
  ])('%s is one', (url) => {
    expect(checkGitUrl(url)).toBeUndefined();
  });

  it.each([
    ['https://ana:canary@example.com/shop.git', 'holds a password'],
    ['ssh://ana:canary@example.com/shop.git', 'holds a password'],
    ['https://canary@example.com/shop.git', 'holds a user or a token'],
    ['https://example.com/shop.git?token=canary', 'holds a query or a fragment'],
    ['https://${env:TOKEN}@example.com/shop.git', 'holds a reference'],
    ['--upload-pack=touch', 'is no address of a repository'],
    ['-oProxyCommand=touch@host:shop', 'is no address of a repository'],
    ['https:host/shop.git', 'is no address of a repository'],
    ['https://host\\shop.git', 'is no address of a repository'],
    ['git@-oProxyCommand=touch:shop', 'is no address of a repository'],
    ['git@host:--upload-pack=touch', 'is no address of a repository'],
    ['ssh://-oProxyCommand=touch/shop', 'names no host or no repository'],
    ['ext::sh -c touch', 'holds white space'],
    ['ext::touch', 'is no address of a repository'],
    ['http://example.com/shop.git', 'is of a kind that a plan may not name'],
    ['git://example.com/shop.git', 'is of a kind that a plan may not name'],
    ['file://host/shop.git', 'is of a kind that a plan may not name'],
    ['https://example.com', 'names no host or no repository'],
    ['//host/share', 'is no address of a repository'],
    ['../shop', 'is no address of a repository'],
    ['', 'is no address of a repository'],
  ])('%s is none', (url, why) => {
    expect(checkGitUrl(url)?.why).toBe(why);
  });
});

it.each(['main', 'v1.0.1', 'feature/a-b', 'refs/tags/v1', '20260115', 'a@b'])('%s can be a ref', (ref) => {
  expect(isRefName(ref)).toBe(true);
});

it.each([
  '-x',
  'a..b',
  'a b',
  'main^',
  'a:b',
  '/x',
  'x/',
  'x.lock',
  '.x',
  'a/.b',
  '@',
  'HEAD',
  '${env:X}',
  '*',
])('%s cannot be a ref', (ref) => {
  expect(isRefName(ref)).toBe(false);
});

describe('a plan with a source', () => {
  it('names it, its folder and its files, and puts variables in', () => {
    const { faults, source, files, draft } = parse(
      '{ git: git@host:shop.git, ref: "${var:ref}", directory: plans }',
    );
    expect(faults).toEqual([]);
    expect(source?.source).toEqual({ git: 'git@host:shop.git', ref: 'v1.0.1', directory: 'plans' });
    expect(files.map(({ path }) => path)).toEqual(['body.json']);
    expect(files[0]?.toFault('body.json does not exist.')).toMatchObject({
      path: 'probes.asked.http.bodyFile',
      fix: 'Commit it and push, or correct the path: it is relative to the directory of the source.',
    });
    expect(draft).not.toHaveProperty('source');
    expect(parse(RIGHT).source?.source.directory).toBe('.');
  });

  it('whose address holds a password is told so, without the password', () => {
    const { faults, files } = parse('{ git: "https://ana:canary@host/shop.git", ref: main }');
    expect(faults).toMatchObject([{ code: 'badUrl', line: 4, path: 'source.git' }]);
    expect(faults[0]?.message).toBe('The address of the source holds a password.');
    expect(faults[0]?.fix).toContain('a credential helper of git or an SSH key');
    expect(JSON.stringify(faults)).not.toContain('canary');
    // Where they are is not known yet.
    expect(files).toEqual([]);
  });

  it.each([
    ['{ git: https://host/shop.git }', 'missingKey', 'source.ref'],
    ['{ git: https://host/shop.git, ref: "a..b" }', 'badName', 'source.ref'],
    ['{ git: https://host/shop.git, ref: "${rollout:version}" }', 'badName', 'source.ref'],
    ['{ git: 5, ref: main }', 'wrongType', 'source.git'],
    ['{ git: https://host/shop.git, ref: main, directory: ../other }', 'badPath', 'source.directory'],
    ['{ git: https://host/shop.git, ref: main, depth: 1 }', 'unknownKey', 'source.depth'],
    ['main', 'wrongType', 'source'],
  ])('that is %s has one fault', (source, code, path) => {
    expect(parse(source).faults).toMatchObject([{ code, path, line: 4 }]);
  });

  it.each([
    ['git: { tag: v1, messageFile: release.md }', 'stages[0].steps[1].git'],
    ['git: { tag: v1, messageFile: release.md, directory: checkout }', 'stages[0].steps[1].git.directory'],
    ['config: { local: { file: app/.env }, set: { A: 1 } }', 'stages[0].steps[1].config.local.file'],
  ])('has no working tree for %s', (step, path) => {
    expect(parse(RIGHT, step).faults).toMatchObject([{ code: 'noWorkingTree', path }]);
  });

  it.each([
    'git: { tag: v1, messageFile: release.md, directory: "${env:CHECKOUT}" }',
    'git: { tag: v1, messageFile: release.md, directory: /srv/checkout }',
    'config: { local: { file: /app/.env }, set: { A: 1 } }',
    'config: { ssh: { host: app, file: app/.env }, set: { A: 1 } }',
  ])('takes %s', (step) => {
    expect(parse(RIGHT, step).faults).toEqual([]);
  });
});

it('is shown short', () => {
  const commit = '1a2b3c4d5e6f'.padEnd(40, '0');
  expect(showSource({ git: 'git@host:shop.git', ref: 'main', commit })).toBe(
    'git@host:shop.git@1a2b3c4d5e6f (main)',
  );
  expect(showSource({ git: '/srv/shop', ref: commit, commit })).toBe('/srv/shop@1a2b3c4d5e6f');
});
