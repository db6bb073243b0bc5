/** Notices to a real HTTP server: what it gets, and what is repeated for whom. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createNotifyActivities } from '../../src/activities/notify.js';
import { createNotifiers } from '../../src/adapters/notifiers/registry.js';
import type { NotifyInput } from '../../src/contract/activities.js';
import type { NotifierSpec } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { type LocalServer, serve } from '../support/http-server.js';
import { subjectOf } from '../support/subject.js';

describe('webhook', () => {
  let server: LocalServer;
  let received: { url?: string; body: Record<string, unknown> }[] = [];
  let broken: string[] = [];
  beforeAll(async () => {
    server = await serve(({ url = '' }, response, body) => {
      received.push({ url, body: JSON.parse(body) });
      response.writeHead(broken.includes(url) ? 503 : 204).end();
    });
  });
  afterAll(() => server.close());
  beforeEach(() => {
    received = [];
    broken = [];
  });

  const hook = (path: string, when: NotifierSpec['when'] = ['outcome']): NotifierSpec => ({
    kind: 'webhook',
    config: { url: `\${env:HOOK}${path}` },
    when,
  });
  const redactor = new Redactor();
  const activities = () =>
    createNotifyActivities({
      notifiers: createNotifiers({ now: () => Date.parse('2026-01-16T12:00:00Z') }),
      references: new References({
        allowed: ['HOOK'],
        env: { HOOK: server.url },
        readSecret: async () => '',
        redactor,
      }),
      redactor,
    });
  const input = (notifiers: NotifierSpec[]): NotifyInput => ({
    context: subjectOf('/').context,
    moment: 'outcome',
    notifiers,
    title: 'booking v1.0.1: promoted',
    lines: ['a line'],
  });

  it('gets the notice of its moments as JSON', async () => {
    await new MockActivityEnvironment().run(() =>
      activities().notify(input([hook('/a'), hook('/b', ['started'])])),
    );
    expect(received).toEqual([
      {
        url: '/a',
        body: {
          application: 'booking',
          version: 'v1.0.1',
          rollout: 'booking/run-1',
          moment: 'outcome',
          title: 'booking v1.0.1: promoted',
          lines: ['a line'],
          at: '2026-01-16T12:00:00.000Z',
        },
      },
    ]);
  });

  it('one that is down is told again, one that was told is not', async () => {
    broken = ['/b'];
    const beats: unknown[] = [];
    const first = new MockActivityEnvironment();
    first.on('heartbeat', (beat) => beats.push(beat));
    const both = input([hook('/a'), hook('/b')]);
    await expect(first.run(() => activities().notify(both))).rejects.toThrow(/status 503, expected 2xx/);
    broken = [];
    const again = new MockActivityEnvironment({ attempt: 2, heartbeatDetails: beats.at(-1) });
    await again.run(() => activities().notify(both));
    expect(received.map(({ url }) => url)).toEqual(['/a', '/b', '/b']);
  });

  it('never says the address, which may hold a token', async () => {
    broken = ['/secret-path'];
    const telling = new MockActivityEnvironment().run(() =>
      activities().notify(input([hook('/secret-path')])),
    );
    await expect(telling).rejects.not.toThrow(/secret-path/);
  });
});
