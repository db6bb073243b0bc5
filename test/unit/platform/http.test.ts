import dns from 'node:dns';
import { createServer, type RequestListener, type Server } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { request } from '../../../src/platform/http.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(answer: RequestListener): Promise<string> {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
}

it('sends method, headers and body, and gives back status, headers and body', async () => {
  const url = await serve((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      outgoing.writeHead(201, { 'X-Seen': incoming.headers.authorization });
      outgoing.end(`${incoming.method} ${incoming.url} ${Buffer.concat(chunks).toString()}`);
    });
  });
  const response = await request({
    method: 'POST',
    url: `${url}/hooks?a=1`,
    headers: { authorization: 'Bearer x' },
    body: 'grüße',
    timeoutMs: 5000,
  });
  expect(response).toMatchObject({ status: 201, body: 'POST /hooks?a=1 grüße', truncated: false });
  expect(response.headers['x-seen']).toBe('Bearer x');
});

it('follows no redirect: a probe judges the address it was given', async () => {
  const url = await serve((_incoming, outgoing) => outgoing.writeHead(302, { location: '/login' }).end());
  expect(await request({ url, timeoutMs: 5000 })).toMatchObject({
    status: 302,
    headers: { location: '/login' },
  });
});

it('cuts a body that is too long', async () => {
  const url = await serve((_incoming, outgoing) => outgoing.end('x'.repeat(200_000)));
  const response = await request({ url, timeoutMs: 5000, maxBodyBytes: 1000 });
  expect(response.truncated).toBe(true);
  expect(response.body).toHaveLength(1000);
});

it('nobody listens: says where, without query and password', async () => {
  const url = await serve(() => {});
  await new Promise((resolve) => server?.close(resolve));
  const call = request({
    url: `${url.replace('//', '//me:canary-word@')}/healthz?token=canary-token`,
    timeoutMs: 5000,
  });
  await expect(call).rejects.toMatchObject({ name: 'HttpError', code: 'ECONNREFUSED' });
  await expect(call).rejects.toThrow(`GET ${url}/healthz: connection refused`);
  await expect(call).rejects.not.toThrow(/canary/);
});

it('no answer in time, neither before nor within the body', async () => {
  const silent = await serve((incoming, outgoing) => {
    if (incoming.url === '/half') outgoing.write('half');
  });
  for (const path of ['/', '/half']) {
    await expect(request({ url: silent + path, timeoutMs: 150 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringContaining('within 150 ms'),
    });
  }
});

it('an abort rejects with its reason', async () => {
  const url = await serve(() => abort.abort(new Error('operator abort')));
  const abort = new AbortController();
  await expect(request({ url, timeoutMs: 5000, signal: abort.signal })).rejects.toThrow('operator abort');
});

it.each(['nowhere', 'ftp://host/x'])('%s is no address', async (url) => {
  await expect(request({ url, timeoutMs: 100 })).rejects.toThrow(/expected http/);
});

it.each([
  'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
  'http://2852039166/latest/meta-data/',
  'http://0xa9.254.43518/',
  'http://[::ffff:169.254.169.254]/',
  'http://169.254.170.2/v2/credentials',
  'http://169.254.170.23/v1/credentials',
  'http://[fd00:ec2::254]/latest/',
  'http://[fe80::1]/',
  'http://168.63.129.16/machine/',
  'http://100.100.100.200/latest/',
])('asks nothing of what tells the machine its credentials: %s', async (url) => {
  const call = request({ url, method: 'PUT', timeoutMs: 5000 });
  await expect(call).rejects.toThrow(/where no plan may ask \(ERR_INVALID_ADDRESS\)$/);
});

it('judges a name by what it leads to', async () => {
  const addresses = vi.spyOn(dns, 'lookup');
  const answers = [{ address: '169.254.169.254', family: 4 }];
  addresses.mockImplementation(((_name: string, _options: object, callback: (...found: unknown[]) => void) =>
    callback(null, answers)) as typeof dns.lookup);
  syncBuiltinESMExports();
  try {
    const call = request({ url: 'http://harmless.example/', timeoutMs: 5000 });
    await expect(call).rejects.toThrow('where no plan may ask');
    expect(addresses).toHaveBeenCalled();
  } finally {
    addresses.mockRestore();
    syncBuiltinESMExports();
  }
});

it('asks a name that leads to this machine', async () => {
  const url = await serve((_incoming, outgoing) => outgoing.end('here'));
  const named = url.replace('127.0.0.1', 'localhost');
  expect(await request({ url: named, timeoutMs: 5000 })).toMatchObject({ status: 200, body: 'here' });
});
