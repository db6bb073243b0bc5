/**
 * Logs of pm2, journald and docker compose, on the worker and over a real SSH server. pm2, journald and journalctl are
 * the real ones; docker is a double that takes what `docker compose logs --help` describes and nothing else.
 */
import { appendFile, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogsProbe } from '../../src/adapters/probes/logs/index.js';
import { schema } from '../../src/adapters/probes/logs/schema.js';
import type { Followed } from '../../src/adapters/probes/probe.js';
import { checked } from '../../src/adapters/probes/registry.js';
import type { Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { createSsh } from '../../src/tools/ssh/index.js';
import { type Journald, journaldIsMissing, startJournald } from '../support/journald.js';
import { noHosts } from '../support/no-hosts.js';
import { ensurePm2 } from '../support/pm2.js';
import { type Sshd, sshdIsMissing, startSshd } from '../support/sshd.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';
import { watchProbe } from '../support/watching.js';

const pm2 = await ensurePm2();
const noSshd = sshdIsMissing();
const noJournald = journaldIsMissing();

let folder: string;
let sshd: Sshd | undefined;
let journald: Journald | undefined;
const pathBefore = process.env.PATH;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-hosts-'));
  journald = noJournald ? undefined : await startJournald();
  const programs = [join(folder, 'bin'), ...(journald ? [journald.bin] : []), ...(pm2 ? [pm2] : [])];
  process.env.PATH = [...programs, dirname(process.execPath), pathBefore].join(delimiter);
  process.env.PM2_HOME = join(folder, 'pm2');
  const environment = { PATH: process.env.PATH, PM2_HOME: process.env.PM2_HOME };
  sshd = noSshd ? undefined : await startSshd({ environment });
});

afterAll(async () => {
  if (pm2) await run('pm2', 'kill');
  await sshd?.stop();
  await journald?.stop();
  process.env.PATH = pathBefore;
  delete process.env.PM2_HOME;
  await rm(folder, { recursive: true, force: true });
});

const run = (file: string, ...args: string[]) =>
  runChild({ file, args, env: { PM2_HOME: join(folder, 'pm2') }, cwd: folder });

const subject = () => subjectOf(folder, undefined, new Date(Date.now() - 60_000).toISOString());

function openProbe() {
  const env = { HEADGATE_SSH_CONFIG: sshd?.configure(sshd.sharing) };
  const ssh = createSsh({ runChild, env });
  return checked(
    schema,
    createLogsProbe({ ...noHosts, env: process.env, ssh, runChild, commandsEnabled: false, now: Date.now }),
  );
}

/** `local`, and `over ssh` where there is a server. */
const WAYS = noSshd ? ['local'] : ['local', 'over ssh'];
const way = (name: string): { [key: string]: Json } =>
  name === 'local' ? {} : { ssh: { host: 'staging-server' } };

interface Following {
  told: Followed[];
  count(): number;
  stop(): Promise<void>;
}

function follow(config: { [key: string]: Json }, cursor?: Json): Following {
  const stop = new AbortController();
  const told: Followed[] = [];
  const request = { config: { pattern: 'hit', ...config, follow: true }, subject: subject(), expect: [] };
  const reading = (async () => {
    for await (const each of openProbe().follow({ ...request, signal: stop.signal, cursor })) told.push(each);
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    told,
    count() {
      const { sample } = told.at(-1) ?? {};
      return sample?.kind === 'sample' ? Number((sample.value as { count: number }).count) : -1;
    },
    async stop() {
      stop.abort();
      await reading;
    },
  };
}

const untilCount = (following: Following, count: number) =>
  expect.poll(() => following.count(), { timeout: 15_000, interval: 5 }).toBe(count);
const gapsOf = (...all: Following[]) => all.flatMap(({ told }) => told.flatMap(({ gap }) => gap ?? []));

describe.skipIf(noJournald)('journald', () => {
  const say = async (unit: string, ...messages: string[]) => journald?.say(unit, ...messages);

  it.each(WAYS)('counts the entries of a unit, and reads on where it was, %s', async (name) => {
    const unit = `sampled-${name.length}.service`;
    const probe = openProbe();
    const count = () =>
      takeSample(probe, { pattern: 'hit', journald: unit, ...way(name) }, { subject: subject() });
    expect(await count()).toMatchObject({
      kind: 'inconclusive',
      message: expect.stringContaining(`has no entry of unit ${unit}`),
    });
    await say(unit, 'hit', 'miss', `hit ${'x'.repeat(10_000)}`, 'two lines\nhit');
    await say('other.service', 'hit');
    await expect.poll(count).toMatchObject({ value: { count: 3 } });
    expect(await count()).toMatchObject({ value: { count: 3 } });
    await say(unit, 'hit');
    await expect.poll(count).toMatchObject({ value: { count: 4 } });
  });

  it.each(WAYS)('followed, ends the monitor when the entry comes, %s', async (name) => {
    const latencies: number[] = [];
    for (let nth = 0; nth < 3; nth += 1) {
      const unit = `monitored-${name.length}-${nth}.service`;
      await say(unit, 'started');
      const watching = watchProbe({
        probe: openProbe(),
        subject: subject(),
        config: { pattern: 'ERROR', journald: unit, ...way(name) },
        expect: [{ path: 'count', equals: 0 }],
      });
      await expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
      await say(unit, 'ERROR');
      const saidAtMs = Date.now();
      const { state, atMs } = await watching.ended;
      expect(state.breach?.measurement.message).toBe('count = 1, expected 0');
      latencies.push(atMs - saidAtMs);
    }
    console.log(`entry → result of the activity, ${name}: ${latencies.join(', ')} ms`);
    expect(Math.max(...latencies)).toBeLessThan(1_000);
  });

  it.each(WAYS)('followed, loses nothing and counts nothing twice from its cursor, %s', async (name) => {
    const unit = `followed-${name.length}.service`;
    await say(unit, 'hit');
    const first = follow({ journald: unit, ...way(name) });
    await untilCount(first, 1);
    await say(unit, 'hit', 'hit');
    await untilCount(first, 3);
    await first.stop();
    await say(unit, 'hit');
    const second = follow({ journald: unit, ...way(name) }, first.told.at(-1)?.cursor);
    await untilCount(second, 4);
    await say(unit, 'hit');
    await untilCount(second, 5);
    await second.stop();
    expect(gapsOf(first, second)).toEqual([]);
  });

  it('followed, says that something may be lost when the journal was cut', async () => {
    const unit = 'cut.service';
    await say(unit, 'hit');
    const first = follow({ journald: unit });
    await untilCount(first, 1);
    await first.stop();
    await journald?.forget();
    await say(unit, 'hit');
    const second = follow({ journald: unit }, first.told.at(-1)?.cursor);
    await untilCount(second, 2);
    await second.stop();
    expect(gapsOf(second)).toEqual(['the journal of the worker no longer has the entry that was read last']);
  });
});

describe.skipIf(pm2 === undefined)('pm2', () => {
  /** Says what is appended to its file. */
  const SERVER = `
const { openSync, readSync } = require('node:fs');
const file = openSync(process.argv[2], 'r');
const buffer = Buffer.alloc(65536);
setInterval(() => {
  const bytes = readSync(file, buffer, 0, buffer.length, null);
  if (bytes > 0) process[process.argv[3]].write(buffer.subarray(0, bytes));
}, 10);
console.log('started');
`;

  async function start(name: string, stream = 'stdout'): Promise<(text: string) => Promise<void>> {
    const said = join(folder, `${name}.txt`);
    await writeFile(said, '');
    await writeFile(join(folder, 'server.js'), SERVER);
    const { exitCode, stderr } = await run('pm2', 'start', 'server.js', '--name', name, '--', said, stream);
    if (exitCode !== 0) throw new Error(stderr);
    return (text) => appendFile(said, `${text}\n`);
  }

  it.each(WAYS)(
    'counts what a process writes to stdout and stderr, and reads on where it was, %s',
    async (name) => {
      const process = `it's $(sampled) ${name}`;
      const say = await start(process);
      const complain = await start(process.replace('sampled', 'other'), 'stderr');
      const probe = openProbe();
      const count = (pm2Name: string) => () =>
        takeSample(probe, { pattern: 'hit', pm2: pm2Name, ...way(name) }, { subject: subject() });
      const sampled = count(process);
      expect(await sampled()).toMatchObject({ value: { count: 0 } });
      await say('hit');
      await expect.poll(sampled, { timeout: 10_000 }).toMatchObject({ value: { count: 1 } });
      await say('hit\nmiss');
      await say('hit');
      await expect.poll(sampled, { timeout: 10_000 }).toMatchObject({ value: { count: 3 } });
      expect(await sampled()).toMatchObject({ value: { count: 3 } });
      await complain('hit on stderr');
      await expect
        .poll(count(process.replace('sampled', 'other')), { timeout: 10_000 })
        .toMatchObject({ value: { count: 1 } });
      await run('pm2', 'flush');
      await expect.poll(sampled, { timeout: 10_000 }).toMatchObject({ value: { count: 0 } });
      expect(await count('nobody')()).toMatchObject({
        kind: 'inconclusive',
        message: expect.stringMatching(/has no process "nobody"; it has: .*sampled/),
      });
    },
  );

  it('followed, ends the monitor when the line comes, and goes on from its cursor', async () => {
    const say = await start('followed');
    const first = follow({ pm2: 'followed' });
    await untilCount(first, 0);
    await say('hit');
    await untilCount(first, 1);
    await first.stop();
    await say('hit');
    const second = follow({ pm2: 'followed' }, first.told.at(-1)?.cursor);
    await untilCount(second, 2);
    await second.stop();
    expect(gapsOf(first, second)).toEqual([]);
    const watching = watchProbe({
      probe: openProbe(),
      subject: subject(),
      config: { pattern: 'ERROR', pm2: 'followed' },
      expect: [{ path: 'count', equals: 0 }],
    });
    await expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
    await say('ERROR');
    expect((await watching.ended).state.breach?.measurement.message).toBe('count = 1, expected 0');
  });
});

describe('docker compose', () => {
  /** The log lies beside it; options that compose does not know end it as compose does. */
  const DOCKER = `#!/usr/bin/env node
const { readFileSync, existsSync } = require('node:fs');
const args = process.argv.slice(2);
const fail = (why) => { console.error(why); process.exit(1); };
if (args.shift() !== 'compose') fail('docker: unknown command');
const command = args.shift();
if (!existsSync('compose.yaml')) fail('no configuration file provided: not found');
const flags = { logs: ['--no-color', '--no-log-prefix', '--timestamps'], ps: ['--all', '--quiet'] }[command] ?? fail('unknown command');
let since = 0;
while (args[0] !== '--') {
  const flag = args.shift();
  if (command === 'logs' && flag === '--since') since = Date.parse(args.shift());
  else if (!flags.includes(flag)) fail('unknown flag: ' + flag);
}
const [, service] = args;
if (service !== 'api' && service !== 'idle') fail('no such service: ' + service);
if (service === 'idle') process.exit(0);
if (command === 'ps') console.log('3f2a');
else for (const line of readFileSync('log.txt', 'utf8').split('\\n')) {
  if (line !== '' && Date.parse(line.split(' ')[0]) >= since) console.log(line);
}
`;
  let directory: string;
  beforeAll(async () => {
    await run('mkdir', '-p', 'bin', 'stack');
    directory = join(folder, 'stack');
    await writeFile(join(folder, 'bin', 'docker'), DOCKER);
    await chmod(join(folder, 'bin', 'docker'), 0o755);
    await writeFile(join(directory, 'compose.yaml'), '');
  });

  it.each(WAYS)('counts each line once, those of the same moment too, %s', async (name) => {
    const log = join(directory, 'log.txt');
    const at = (offsetMs: number) => new Date(Date.now() + offsetMs).toISOString().replace('Z', '123456Z');
    const moment = at(-100);
    await writeFile(log, `${at(-9_000)} hit\n${moment} hit\n${moment} hit\n`);
    const probe = openProbe();
    const count = (service = 'api') =>
      takeSample(
        probe,
        { pattern: 'hit', compose: service, directory, ...way(name) },
        { subject: subject() },
      );
    expect(await count()).toMatchObject({ value: { count: 3 } });
    expect(await count()).toMatchObject({ value: { count: 3 } });
    await appendFile(log, `${moment} hit\n${at(0)} hit\n${at(0)} miss\n`);
    expect(await count()).toMatchObject({ value: { count: 5 } });
    expect(await count()).toMatchObject({ value: { count: 5 } });
    expect(await count('web')).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('no such service'),
    });
    expect(await count('idle')).toMatchObject({
      kind: 'inconclusive',
      message: expect.stringContaining('has no container of service idle'),
    });
  });
});

describe('a host', () => {
  it.skipIf(noSshd)('that is not there is an error, in good time', async () => {
    const config = { pattern: 'x', journald: 'a.service', ssh: { host: '127.0.0.1', port: 1 } };
    expect(await takeSample(openProbe(), config, { subject: subject() })).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('127.0.0.1'),
    });
  });
});
