/** The proxies of the fault tests do what they say: otherwise a test behind them would prove nothing. */
import { afterEach, describe, expect, it } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { serve } from '../support/http-server.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const TARGET = { 'x-amz-target': 'secretsmanager.PutSecretValue' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** An API that counts what it was asked. */
async function startBehindProxy(): Promise<{ proxy: FaultProxy; heard: string[] }> {
  const heard: string[] = [];
  const api = await serve(({ headers }, response, body) => {
    heard.push(body);
    response.writeHead(201, { 'x-from': 'api', 'x-got': String(headers['x-sent']) }).end(`heard ${body}`);
  });
  const proxy = await startFaultProxy(api.url);
  closing.push(
    () => api.close(),
    () => proxy.close(),
  );
  return { proxy, heard };
}

function post(proxy: FaultProxy, body: string, headers: Record<string, string> = TARGET): Promise<Response> {
  return fetch(`${proxy.url}/path`, { method: 'POST', body, headers: { connection: 'close', ...headers } });
}

describe('the proxy of an HTTP API', () => {
  it('passes on what no rule is about, both ways, and keeps a record', async () => {
    const { proxy, heard } = await startBehindProxy();
    proxy.rules.push({ match: ({ body }) => body === 'other', fault: 'status 500' });
    const answer = await post(proxy, 'body', { ...TARGET, 'x-sent': 'header' });
    expect([answer.status, answer.headers.get('x-from'), answer.headers.get('x-got')]).toEqual([
      201,
      'api',
      'header',
    ]);
    expect([await answer.text(), heard]).toEqual(['heard body', ['body']]);
    expect(proxy.calls).toEqual([{ target: 'PutSecretValue', body: 'body', status: 201 }]);
  });

  it('names the operation of JSON and of form APIs, and anything else by method and path', async () => {
    const { proxy } = await startBehindProxy();
    await post(proxy, '{}');
    await post(proxy, 'Action=RebootDBInstance&Version=2014-10-31', FORM);
    await post(proxy, 'text', {});
    expect(proxy.calls.map(({ target }) => target)).toEqual([
      'PutSecretValue',
      'RebootDBInstance',
      'POST /path',
    ]);
  });

  it('strikes as often as it is told, and calls back', async () => {
    const { proxy } = await startBehindProxy();
    let called = 0;
    const onMatch = () => {
      called += 1;
    };
    proxy.rules.push({
      match: ({ target }) => target === 'PutSecretValue',
      times: 2,
      fault: 'throttle',
      onMatch,
    });
    const statuses = [];
    for (const body of ['1', '2', '3']) statuses.push((await post(proxy, body)).status);
    expect([statuses, called]).toEqual([[400, 400, 201], 2]);
    expect(proxy.calls.map(({ fault, status }) => fault ?? status)).toEqual(['throttle', 'throttle', 201]);
  });

  it.each([
    ['throttle', TARGET, 400, /"__type":"ThrottlingException"/],
    ['throttle', FORM, 400, /<Code>Throttling<\/Code>/],
    ['status 500', TARGET, 500, /"__type":"InternalServiceError"/],
    ['status 500', FORM, 500, /<Code>InternalFailure<\/Code>/],
  ] as const)('answers %s as AWS does, and the API hears nothing', async (fault, headers, status, text) => {
    const { proxy, heard } = await startBehindProxy();
    proxy.rules.push({ match: () => true, fault });
    const answer = await post(proxy, 'body', headers);
    expect([answer.status, await answer.text(), heard]).toEqual([status, expect.stringMatching(text), []]);
  });

  it('cuts before the API has heard of it, or after it has answered', async () => {
    const { proxy, heard } = await startBehindProxy();
    proxy.rules.push({ match: ({ body }) => body === 'before', fault: 'cut before forwarding' });
    const heardAtCut: number[] = [];
    proxy.rules.push({
      match: ({ body }) => body === 'after',
      fault: 'cut after forwarding',
      onMatch: () => void heardAtCut.push(heard.length),
    });
    await expect(post(proxy, 'before')).rejects.toThrow();
    expect(heard).toEqual([]);
    await expect(post(proxy, 'after')).rejects.toThrow();
    expect([heard, heardAtCut]).toEqual([['after'], [1]]);
  });

  it('answers late, and the API has heard at once', async () => {
    const { proxy, heard } = await startBehindProxy();
    proxy.rules.push({ match: () => true, fault: { slowMs: 1_000 } });
    const startedAt = performance.now();
    let answered = false;
    const answer = post(proxy, 'body').finally(() => {
      answered = true;
    });
    await expect.poll(() => heard, { interval: 5 }).toEqual(['body']);
    expect(answered).toBe(false);
    expect([(await answer).status, performance.now() - startedAt >= 1_000]).toEqual([201, true]);
  });
});

describe('the proxy of a connection', () => {
  async function startBehindTcp(): Promise<{
    proxy: TcpProxy;
    heard: string[];
    get: (path?: string) => Promise<string>;
  }> {
    const heard: string[] = [];
    const server = await serve((request, response) => {
      heard.push(request.url ?? '');
      response.end('answer');
    });
    const proxy = await startTcpProxy(Number(new URL(server.url).port));
    closing.push(
      () => server.close(),
      () => proxy.close(),
    );
    const get = async (path = '/') => {
      const headers = { connection: 'close' };
      return (await fetch(`http://127.0.0.1:${proxy.port}${path}`, { headers })).text();
    };
    return { proxy, heard, get };
  }

  /** Node's code of what went wrong. */
  const codeOf = (failing: Promise<unknown>): Promise<unknown> =>
    failing.then(
      () => 'no failure',
      (error: { cause?: { code?: string } }) => error.cause?.code,
    );

  it('passes on, refuses, and passes on again', async () => {
    const { proxy, heard, get } = await startBehindTcp();
    expect(await get()).toBe('answer');
    await proxy.setFault('refuse');
    expect(await codeOf(get())).toBe('ECONNREFUSED');
    await proxy.setFault(undefined);
    expect([await get(), heard, proxy.opened()]).toEqual(['answer', ['/', '/'], 2]);
  });

  it('cuts what is opened, and nothing gets through', async () => {
    const { proxy, heard, get } = await startBehindTcp();
    await proxy.setFault('cut');
    expect(await codeOf(get())).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
    expect(heard).toEqual([]);
  });

  it('cuts the answer to one thing, which was heard', async () => {
    const { proxy, heard, get } = await startBehindTcp();
    await proxy.setFault({ cutAnswerTo: 'GET /effect' });
    expect(await get('/other')).toBe('answer');
    expect(await codeOf(get('/effect'))).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
    expect(heard).toEqual(['/other', '/effect']);
  });

  it('answers late', async () => {
    const { proxy, get } = await startBehindTcp();
    await proxy.setFault({ slowMs: 300 });
    const startedAt = performance.now();
    expect([await get(), performance.now() - startedAt >= 290]).toEqual(['answer', true]);
  });
});
