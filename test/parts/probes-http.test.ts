import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttpProbe } from '../../src/adapters/probes/http/index.js';
import { schema as httpSchema } from '../../src/adapters/probes/http/schema.js';
import { createPoolMetricsProbe } from '../../src/adapters/probes/poolMetrics/index.js';
import { schema as poolMetricsSchema } from '../../src/adapters/probes/poolMetrics/schema.js';
import { type CheckedProbe, checked } from '../../src/adapters/probes/registry.js';
import { createVersionProbe } from '../../src/adapters/probes/version/index.js';
import { schema as versionSchema } from '../../src/adapters/probes/version/schema.js';
import type { Subject } from '../../src/contract/activities.js';
import type { Json } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { describeProbe } from '../support/describe-probe.js';
import { closedAddress, type LocalServer, serve } from '../support/http-server.js';
import { subjectOf } from '../support/subject.js';

const POOL = { active: 15, total: 25, limit: 50, utilization: 50, idle: 10, waiting: 0, timeoutsTotal: 0 };
const METRICS = { pool: POOL, config: { connectionLimit: 50, poolTimeout: 30 }, slowQueries: 0 };
const KEY = 'key-of-the-webhook';

interface Received {
  method: string;
  url: string;
  headers: Record<string, unknown>;
  body: string;
}

let folder: string;
let application: LocalServer;
const received: Received[] = [];

/** Answers as the path says; `/hang` never does. */
const PAGES: Record<string, [number, string]> = {
  '/healthz': [200, JSON.stringify({ status: 'ok', checks: { db: true } })],
  '/metrics': [200, JSON.stringify(METRICS)],
  '/text-figures': [200, JSON.stringify({ pool: { ...POOL, limit: '50' } })],
  '/null-figures': [200, JSON.stringify({ pool: { ...POOL, waiting: null } })],
  '/no-pool': [200, '{"status":"ok"}'],
  '/version': [200, '{"version":"v1.0.1"}'],
  '/number-version': [200, '{"version":1}'],
  '/list': [200, '[1]'],
  '/html': [200, '<html>Sign in</html>'],
  '/empty': [200, ''],
  '/unauthorized': [401, '{}'],
  '/broken': [500, JSON.stringify(METRICS)],
  '/huge': [200, `{"version":"v1.0.1","pool":${JSON.stringify(POOL)},"x":"${'x'.repeat(1_200_000)}"}`],
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-probes-'));
  application = await serve((request, response, body) => {
    const { method = '', url = '', headers } = request;
    received.push({ method, url, headers, body });
    if (url === '/hang') return;
    if (url === '/reset') return void request.socket.destroy();
    if (url === '/half') {
      response.writeHead(200, { 'content-length': '1000' });
      return void response.write('{"version":"v1.0.1"');
    }
    const [status, text] = PAGES[url] ?? [404, 'not found'];
    response.writeHead(status, { 'x-instance': 'green' }).end(text);
  });
});

afterAll(async () => {
  await application.close();
  await rm(folder, { recursive: true });
});

function references(): References {
  return new References({
    allowed: ['WEBHOOK_SECRET', 'ADMIN_TOKEN'],
    env: { WEBHOOK_SECRET: KEY },
    readSecret: () => Promise.reject(new Error('no store here')),
    redactor: new Redactor(),
  });
}

function probeOf(kind: 'http' | 'poolMetrics' | 'version'): CheckedProbe {
  if (kind === 'http') return checked(httpSchema, createHttpProbe({ references: references() }));
  if (kind === 'version') return checked(versionSchema, createVersionProbe());
  return checked(poolMetricsSchema, createPoolMetricsProbe());
}

function sample(
  kind: 'http' | 'poolMetrics' | 'version',
  config: { [key: string]: Json },
  subject?: Subject,
) {
  return probeOf(kind).sample({
    config,
    subject: subject ?? subjectOf(folder, application.url),
    expect: [],
    timeoutMs: 1_000,
    signal: new AbortController().signal,
  });
}

/** What is bad of every endpoint that has to give a JSON object. */
async function badAnswers() {
  const paths = [
    '/html',
    '/list',
    '/empty',
    '/unauthorized',
    '/broken',
    '/huge',
    '/missing',
    '/reset',
    '/half',
  ];
  const bad = Object.fromEntries(paths.map((path) => [path, { url: `${application.url}${path}` }]));
  return { ...bad, 'nothing listens': { url: await closedAddress() } };
}

describeProbe('http', async () => ({
  probe: probeOf('http'),
  subject: subjectOf(folder, application.url),
  good: { config: { url: `${application.url}/healthz` }, expect: [{ path: 'body.checks.db', equals: true }] },
  bad: {
    ...(await badAnswers()),
    'no such file': { url: `${application.url}/healthz`, method: 'POST', bodyFile: 'missing.json' },
    'a header that cannot be sent': { url: `${application.url}/none`, headers: { 'x-bad': 'line\nbreak' } },
  },
  hanging: { url: `${application.url}/hang` },
}));

describeProbe('poolMetrics', async () => ({
  probe: probeOf('poolMetrics'),
  subject: subjectOf(folder, application.url),
  good: { config: { url: `${application.url}/metrics` }, expect: [{ path: 'pool.limit', equals: 50 }] },
  bad: {
    ...(await badAnswers()),
    'figures as text': { url: `${application.url}/text-figures` },
    'null for a figure': { url: `${application.url}/null-figures` },
    'no pool': { url: `${application.url}/no-pool` },
  },
  hanging: { url: `${application.url}/hang` },
}));

describeProbe('version', async () => ({
  probe: probeOf('version'),
  subject: subjectOf(folder, application.url),
  good: { config: { url: `${application.url}/version` }, expect: [{ path: 'version', equals: 'v1.0.1' }] },
  bad: { ...(await badAnswers()), 'a number': { url: `${application.url}/number-version` } },
  hanging: { url: `${application.url}/hang` },
}));

describe('http', () => {
  it("sends nothing that is the worker's own, whatever folder the plan is said to lie in", async () => {
    const config = { url: `${application.url}/hooks`, method: 'POST', bodyFile: 'environ' };
    expect(await sample('http', config, subjectOf('/proc/self', application.url))).toEqual({
      kind: 'error',
      message: "bodyFile: environ is one of the worker's own files, which no plan may name.",
    });
  });

  it('samples status, headers, duration and body, parsed or as text', async () => {
    const json = await sample('http', { url: `${application.url}/healthz` });
    expect(json).toMatchObject({
      kind: 'sample',
      value: { status: 200, headers: { 'x-instance': 'green' }, body: { checks: { db: true } } },
    });
    const text = await sample('http', { url: `${application.url}/html` });
    expect(text).toMatchObject({ value: { status: 200, body: '<html>Sign in</html>' } });
    const missing = await sample('http', { url: `${application.url}/missing` });
    expect(missing).toMatchObject({ kind: 'sample', value: { status: 404 } });
    expect(await sample('http', { url: `${application.url}/huge` })).not.toHaveProperty('value.body');
  });

  it.each([
    ['nothing listens', async () => closedAddress(), /connection refused/],
    ['it does not answer', async () => `${application.url}/hang`, /no complete answer within 1000 ms/],
    ['it hangs up', async () => `${application.url}/reset`, /closed before the answer/],
  ])('is a fail of the release when %s, and an error of anything else', async (_what, address, message) => {
    const url = await address();
    const found = await sample('http', { url }, subjectOf(folder, new URL(url).origin));
    expect(found).toMatchObject({ kind: 'fail', message: expect.stringMatching(message) });
    const elsewhere = await sample('http', { url }, subjectOf(folder, 'http://127.0.0.2:1'));
    expect(elsewhere).toMatchObject({ kind: 'error', message: expect.stringMatching(message) });
  });

  it('signs exactly the bytes it sends, with references in the file put in before', async () => {
    await mkdir(join(folder, 'payloads'), { recursive: true });
    await writeFile(
      join(folder, 'payloads/booking.json'),
      '{ "reference": "${rollout:id}", "name": "Zoë" }\n',
    );
    const found = await sample('http', {
      method: 'POST',
      url: `${application.url}/healthz`,
      bodyFile: 'payloads/booking.json',
      hmac: { header: 'X-Hub-Signature-256', key: KEY },
      bearer: 'token-1',
    });
    expect(found).toMatchObject({ kind: 'sample', value: { status: 200 } });
    const last = received.at(-1);
    expect(last?.body).toBe('{ "reference": "run-1", "name": "Zoë" }\n');
    const signature = createHmac('sha256', KEY)
      .update(Buffer.from(last?.body ?? ''))
      .digest('hex');
    expect(last?.headers).toMatchObject({
      'x-hub-signature-256': `sha256=${signature}`,
      'content-type': 'application/json',
      authorization: 'Bearer token-1',
    });
  });

  it('sends a body of the plan as text or as JSON', async () => {
    await sample('http', { method: 'PUT', url: `${application.url}/healthz`, body: { a: [1] } });
    expect(received.at(-1)).toMatchObject({ method: 'PUT', body: '{"a":[1]}' });
    await sample('http', { method: 'POST', url: `${application.url}/healthz`, body: 'plain' });
    expect(received.at(-1)).toMatchObject({ body: 'plain' });
    expect(received.at(-1)?.headers['content-type']).toMatch(/^text\/plain/);
  });

  it('reads no file outside of the plan, not by a link either', async () => {
    await symlink('/etc/hostname', join(folder, 'link.json'));
    for (const bodyFile of ['../x.json', '/etc/hostname', 'link.json']) {
      const url = `${application.url}/outside`;
      expect((await sample('http', { method: 'POST', url, bodyFile })).kind).toBe('error');
    }
    expect(received.some(({ url }) => url === '/outside')).toBe(false);
  });

  it('lets a reference surface that the worker does not permit', async () => {
    await writeFile(join(folder, 'greedy.json'), '{"key":"${env:AWS_SECRET_ACCESS_KEY}"}');
    const config = { method: 'POST', url: `${application.url}/greedy`, bodyFile: 'greedy.json' };
    await expect(sample('http', config)).rejects.toMatchObject({ type: 'NotPermitted' });
    expect(received.some(({ url }) => url === '/greedy')).toBe(false);
  });

  it('writes by any method but GET, HEAD and OPTIONS', () => {
    const probe = probeOf('http');
    const url = '${release:url}/webhooks';
    expect(['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => probe.writes({ method, url }))).toEqual(
      Array(4).fill(true),
    );
    expect([probe.writes({ url }), probe.writes({ url, method: 'HEAD' })]).toEqual([false, false]);
  });
});

describe('poolMetrics and version', () => {
  it('say which token, path or figure is wrong', async () => {
    const answers = await Promise.all(
      ['/unauthorized', '/missing', '/text-figures', '/no-pool', '/html'].map((path) =>
        sample('poolMetrics', { url: `${application.url}${path}` }),
      ),
    );
    expect(
      answers.map((answer) => (answer.kind === 'sample' ? '' : `${answer.kind}: ${answer.message}`)),
    ).toEqual([
      expect.stringMatching(/^error: .*status 401, expected 200; the token in "bearer"/),
      expect.stringMatching(/^error: .*status 404, expected 200; check the path in "url"/),
      'inconclusive: pool.limit = "50": expected a number of at least 0',
      expect.stringMatching(/^inconclusive: .*no object "pool"/),
      expect.stringMatching(/^inconclusive: .*expected a JSON object, found something that is not JSON/),
    ]);
  });

  it('fail a release that answers 500, and only a release', async () => {
    const url = `${application.url}/broken`;
    expect((await sample('poolMetrics', { url })).kind).toBe('fail');
    expect((await sample('version', { url }, subjectOf(folder))).kind).toBe('error');
  });

  it('send the bearer token', async () => {
    await sample('version', { url: `${application.url}/version`, bearer: 'token-2' });
    expect(received.at(-1)?.headers.authorization).toBe('Bearer token-2');
  });

  it('tell the configuration in force', () => {
    const url = 'http://localhost/metrics';
    const expected = [
      { path: 'config.poolTimeout', equals: 30 },
      { path: 'pool.active', lt: 5 },
    ];
    expect(probeOf('poolMetrics').inForcePaths({ url }, expected)).toEqual([
      'pool.limit',
      'config.poolTimeout',
    ]);
    expect(probeOf('version').inForcePaths({ url }, [])).toEqual(['version']);
    expect(probeOf('http').inForcePaths({ url }, [])).toEqual([]);
  });
});
