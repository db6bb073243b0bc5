/** docker-compose.yml and Dockerfile, as Docker's own parsers read them; a script of theirs, carried out for real. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/contract/messages.js';
import { TOOL_RELEASES } from '../../src/platform/tool-releases.js';
import {
  buildParsers,
  type ComposeProject,
  type ComposeService,
  type Dockerfile,
  readCompose,
  readDockerfile,
} from '../support/containers.js';
import { ROOT } from '../support/product.js';
import { findTemporal, startTemporal } from '../support/temporal.js';

const run = promisify(execFile);
const FILE = join(ROOT, 'docker-compose.yml');
const ENV = { TEMPORAL_DB_PASSWORD: 'p4ssw0rd', PLANS: '/srv/plans' };
const parsers = buildParsers();

afterAll(async () => {
  if (parsers) await rm(dirname(parsers), { recursive: true, force: true });
});

describe.skipIf(!parsers)('docker-compose.yml', () => {
  let project: ComposeProject;

  beforeAll(async () => {
    project = await load(ENV);
  });

  const load = (env: Record<string, string>) => readCompose(parsers ?? '', FILE, env);
  const service = (name: string): ComposeService => {
    const found = project.services[name];
    if (!found) throw new Error(`no service ${name}`);
    return found;
  };

  test('holds PostgreSQL, schema, server, namespace, UI and worker, each after what it needs', () => {
    const order = Object.fromEntries(
      Object.entries(project.services).map(([name, { depends_on = {} }]) => [
        name,
        Object.entries(depends_on).map(([other, { condition }]) => `${other} ${condition}`),
      ]),
    );
    expect(order).toEqual({
      postgres: [],
      schema: ['postgres service_healthy'],
      temporal: ['schema service_completed_successfully'],
      namespace: ['temporal service_healthy'],
      ui: ['temporal service_healthy'],
      worker: ['namespace service_completed_successfully'],
    });
  });

  test('what others wait for to be healthy says when it is', () => {
    const waitedFor = Object.values(project.services).flatMap(({ depends_on = {} }) =>
      Object.entries(depends_on).flatMap(([name, { condition }]) =>
        condition === 'service_healthy' ? [name] : [],
      ),
    );
    expect(new Set(waitedFor)).toEqual(new Set(['postgres', 'temporal']));
    for (const name of waitedFor) expect(service(name).healthcheck?.test).not.toHaveLength(0);
  });

  test('every port is bound to loopback', () => {
    const ports = Object.values(project.services).flatMap(({ ports = [] }) => ports);
    expect(ports.map(({ published }) => published)).toEqual(['7233', '8080']);
    for (const { host_ip: host } of ports) expect(host).toBe('127.0.0.1');
  });

  test('what runs on runs on after a restart of the host; what is done once is not repeated by it', () => {
    const restarts = Object.entries(project.services).map(([name, { restart }]) => [name, restart]);
    const always = 'unless-stopped';
    expect(Object.fromEntries(restarts)).toEqual({
      postgres: always,
      temporal: always,
      ui: always,
      worker: always,
    });
  });

  test('the worker is built from this checkout, and polls Temporal by the name of its service', () => {
    const worker = service('worker');
    expect(worker.build).toMatchObject({ context: ROOT.replace(/\/$/, ''), dockerfile: 'Dockerfile' });
    expect(worker.environment?.TEMPORAL_ADDRESS).toBe('temporal:7233');
    expect(worker.env_file).toEqual([{ path: join(ROOT, 'worker.env'), required: false }]);
  });

  test('the worker sees the plans at the place where the host has them, and keeps its home', () => {
    const volumes = service('worker').volumes?.map(({ type, source, target }) => ({ type, source, target }));
    expect(volumes).toEqual([
      { type: 'bind', source: '/srv/plans', target: '/srv/plans' },
      { type: 'volume', source: 'headgate-home', target: '/var/lib/headgate' },
    ]);
    expect(Object.keys(project.volumes)).toEqual(expect.arrayContaining(['headgate-home', 'temporal-data']));
  });

  test('the worker counts as healthy by the file that it writes while it polls', () => {
    const { command, healthcheck, tmpfs } = service('worker');
    const pidFile = command?.[command.indexOf('--pid-file') + 1] ?? '';
    expect(healthcheck?.test).toEqual(['CMD', 'test', '-f', pidFile]);
    expect(tmpfs?.map((mount) => mount.split(':')[0])).toContain(dirname(pidFile));
  });

  test('server and admin-tools are of one version', () => {
    const version = (name: string) => /:(\d+\.\d+\.\d+)/.exec(service(name).image ?? '')?.[1];
    expect(version('temporal')).toBeDefined();
    expect(version('schema')).toBe(version('temporal'));
    expect(version('namespace')).toBe(version('temporal'));
  });

  test.each([
    ['TEMPORAL_DB_PASSWORD', 'set TEMPORAL_DB_PASSWORD'],
    ['PLANS', 'set PLANS to the absolute folder of your plans'],
  ])('without %s nothing starts, and the message says what to set', async (name, message) => {
    const { [name as keyof typeof ENV]: _, ...rest } = ENV;
    await expect(load(rest)).rejects.toThrow(
      new RegExp(`required variable ${name} is missing a value: ${message}`),
    );
  });

  describe('its script for the namespace', () => {
    let temporal: TestWorkflowEnvironment;
    let bin: string;

    beforeAll(async () => {
      temporal = await startTemporal();
      bin = await mkdtemp(join(tmpdir(), 'headgate-bin-'));
      await symlink(findTemporal() ?? '', join(bin, 'temporal'));
    });
    afterAll(async () => {
      await temporal?.teardown();
      if (bin) await rm(bin, { recursive: true, force: true });
    });

    /** The container's own entry point and command, with the real CLI on a real server. */
    const carryOut = async (more: Record<string, string> = {}) => {
      const { entrypoint, command, environment } = service('namespace');
      const [shell = '', ...args] = [...(entrypoint ?? []), ...(command ?? [])];
      const ours = { TEMPORAL_ADDRESS: temporal.address, NAMESPACE: 'team', ...more };
      const env = { PATH: `${bin}:${process.env.PATH}`, HOME: bin, ...environment, ...ours };
      return run(shell, args, { env });
    };

    test('creates the namespace with all search attributes, and does nothing when it runs again', async () => {
      await carryOut();
      await carryOut();
      const { connection } = temporal;
      const { config } = await connection.workflowService.describeNamespace({ namespace: 'team' });
      expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(30 * 86_400);
      const { customAttributes } = await connection.operatorService.listSearchAttributes({
        namespace: 'team',
      });
      expect(Object.keys(customAttributes ?? {}).sort()).toEqual(Object.values(SEARCH_ATTRIBUTES).sort());
    });
  });
});

describe.skipIf(!parsers)('Dockerfile', () => {
  let file: Dockerfile;
  let manifest: { bin: { headgate: string }; scripts: Record<string, string> };

  beforeAll(async () => {
    file = await readDockerfile(parsers ?? '', join(ROOT, 'Dockerfile'));
    manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  });

  const of = (name: string) => file.instructions.filter((instruction) => instruction.name === name);
  const last = (name: string) => of(name).at(-1)?.args ?? [];
  /** What the instructions copy: `--from=` and sources. */
  const copies = () =>
    of('COPY').map(({ flags, args }) => ({
      stage: flags.find((flag) => flag.startsWith('--from='))?.slice('--from='.length),
      sources: args.slice(0, -1),
    }));
  const fromCheckout = () => copies().flatMap(({ stage, sources }) => (stage ? [] : sources));

  test("BuildKit's linter finds nothing", () => {
    expect(file.warnings).toEqual([]);
    expect(file.instructions.length).toBeGreaterThan(10);
  });

  test('what it copies from the checkout is there, and is not ignored', async () => {
    const ignore = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).split('\n');
    expect(ignore).toContain('*');
    expect(fromCheckout()).not.toHaveLength(0);
    for (const source of fromCheckout()) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(ignore).toContain(`!${source}`);
    }
  });

  test('it brings everything that the build reads, and the build is what `npm ci` runs', async () => {
    const { include } = JSON.parse(await readFile(join(ROOT, 'tsconfig.json'), 'utf8')) as {
      include: string[];
    };
    const script = manifest.scripts.prepare?.replace(/^node /, '') ?? '';
    expect(existsSync(join(ROOT, script)), script).toBe(true);
    const needed = [...include, dirname(script), 'tsconfig.json', 'package.json', 'package-lock.json'];
    expect(fromCheckout()).toEqual(expect.arrayContaining(needed));
    expect(of('RUN').some(({ args }) => /^npm ci (?!--ignore-scripts)/.test(args.join(' ')))).toBe(true);
  });

  test('what it copies from a stage is what that stage makes', () => {
    const stages = of('FROM').flatMap(({ args: [, as, name] }) => (as ? [name] : []));
    expect(stages).toEqual(['tools', 'build']);
    const found = copies().flatMap(({ stage, sources }) => (stage ? [`${stage}:${sources.join(' ')}`] : []));
    expect(found).toEqual([
      'tools:/tools/bin',
      // An image of its own, published by Docker.
      'docker:28-cli:/usr/local/bin/docker',
      'build:/headgate/package.json',
      'build:/headgate/node_modules',
      'build:/headgate/dist',
    ]);
  });

  test('its entry point is the command line of package.json, and its command is one of that', async () => {
    expect(last('ENTRYPOINT')).toEqual(['tini', '--', 'node', `/headgate/${manifest.bin.headgate}`]);
    const main = join(ROOT, manifest.bin.headgate);
    const help = await run(process.execPath, [main, ...last('CMD'), '--help']);
    expect(help.stdout).toMatch(/worker .*--pid-file/s);
  });

  test('k6 and terraform are the releases that Headgate installs by itself, compared with their checksums', () => {
    const script =
      of('RUN')
        .find(({ args }) => args.join(' ').includes('sha256sum -c'))
        ?.args.join(' ') ?? '';
    for (const [machine, arch] of [
      ['linux-x64', 'amd64'],
      ['linux-arm64', 'arm64'],
    ] as const) {
      const k6 = TOOL_RELEASES.k6.archives[machine];
      const terraform = TOOL_RELEASES.terraform.archives[machine];
      expect(script).toContain(`${arch}) k6=${k6?.sha256} terraform=${terraform?.sha256} ;;`);
      expect(script.replaceAll('$arch', arch)).toContain(`"${k6?.url}"`);
      expect(script.replaceAll('$arch', arch)).toContain(`"${terraform?.url}"`);
    }
  });

  test('the worker runs as a user of its own, whose home is a volume, and is told to stop by SIGTERM', () => {
    expect(last('USER')).toEqual(['1000']);
    expect(last('VOLUME')).toEqual(['/var/lib/headgate']);
    expect(last('ENV').join(' ')).toContain('HEADGATE_HOME /var/lib/headgate');
    const scripts = of('RUN').map(({ args }) => args.join(' '));
    expect(scripts.some((script) => script.includes('install -d -o node -g node /var/lib/headgate'))).toBe(
      true,
    );
    expect(last('STOPSIGNAL')).toEqual(['SIGTERM']);
  });
});
