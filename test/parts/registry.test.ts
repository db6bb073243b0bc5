/** Which image a tag stands for, asked of a real registry; tokens, redirects and slowness by servers of the test's own. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { createImageResolver } from '../../src/tools/registry/index.js';
import { type Handler, type LocalServer, serve } from '../support/http-server.js';
import { ensureRegistry, type Registry, startRegistry } from '../support/registry.js';

const program = await ensureRegistry();
const DIGEST = `sha256:${'d'.repeat(64)}`;
const AUTH = Buffer.from('canary:canary-password').toString('base64');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-docker-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const configure = (config: unknown) => writeFile(join(folder, 'config.json'), JSON.stringify(config));
const resolveBy = (env: NodeJS.ProcessEnv, image: string, signal = new AbortController().signal) =>
  createImageResolver({ runChild, env: { DOCKER_CONFIG: folder, ...env } }).resolve(image, signal);
const resolve = (image: string) => resolveBy({}, image);

describe.skipIf(program === undefined)('by a real registry that wants a login', () => {
  let registry: Registry;
  let digest: string;
  beforeAll(async () => {
    registry = await startRegistry(program ?? '');
    digest = await registry.push('team/shop', 'v1.0.1', 'first');
  });
  afterAll(() => registry.stop());

  it('a tag is its digest, and another one when it was moved', async () => {
    await configure({ auths: { [registry.host]: { auth: AUTH } } });
    const image = `${registry.host}/team/shop:v1.0.1`;
    expect(await resolve(image)).toEqual({ image: `${image}@${digest}` });
    const moved = await registry.push('team/shop', 'latest', 'second');
    expect(moved).not.toBe(digest);
    expect(await resolve(`${registry.host}/team/shop`)).toEqual({
      image: `${registry.host}/team/shop:latest@${moved}`,
    });
  });

  it('what is not there is said', async () => {
    await configure({ auths: { [`http://${registry.host}/v2/`]: { auth: AUTH } } });
    expect(await resolve(`${registry.host}/team/shop:v9`)).toEqual({
      why: `${registry.host}: there is no team/shop:v9 (404)`,
    });
  });

  it('without a login, and with one that is not accepted, it says how to mend it, and no secret', async () => {
    const image = `${registry.host}/team/shop:v1.0.1`;
    expect(await resolve(image)).toEqual({ why: expect.stringMatching(/answers 401: nobody has logged in/) });
    const auth = Buffer.from('canary:canary-wrong').toString('base64');
    await configure({ auths: { [registry.host]: { auth } } });
    const refused = await resolve(image);
    expect(refused).toEqual({ why: expect.stringMatching(/401: the worker's login is not accepted/) });
    expect(JSON.stringify(refused)).not.toContain('canary');
  });

  it('a credential helper is asked, with what it logs in with, and told the registry', async () => {
    await configure({ credHelpers: { [registry.host]: 'test' } });
    const login = JSON.stringify({ Username: 'canary', Secret: 'canary-password' });
    const script = `#!/bin/sh\n[ "$1" = get ] && [ "$(cat)" = '${registry.host}' ] && [ "$AWS_PROFILE" = test ] && [ -z "$OTHER" ] && echo '${login}'\n`;
    await writeFile(join(folder, 'docker-credential-test'), script);
    await chmod(join(folder, 'docker-credential-test'), 0o755);
    const path = process.env.PATH;
    process.env.PATH = `${folder}:${path}`;
    try {
      const image = `${registry.host}/team/shop:v1.0.1`;
      const env = { AWS_PROFILE: 'test', OTHER: 'x' };
      expect(await resolveBy(env, image)).toEqual({ image: `${image}@${digest}` });
      expect(await resolveBy({}, image)).toEqual({ why: expect.stringContaining('docker-credential-test') });
    } finally {
      process.env.PATH = path;
    }
  });
});

describe('by the protocol', () => {
  const opened: LocalServer[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((server) => server.close()));
  });
  const open = async (handler: Handler) => {
    const server = await serve(handler);
    opened.push(server);
    return { ...server, host: new URL(server.url).host };
  };

  it('an image that has its digest is asked of nobody', async () => {
    const image = `registry.invalid/shop:v1@${DIGEST}`;
    expect(await resolve(image)).toEqual({ image });
  });

  it('a token is fetched from where the registry says, for this repository alone', async () => {
    const asked: (string | undefined)[] = [];
    const tokens = await open((request, response) => {
      asked.push(request.url, request.headers.authorization);
      response.end(JSON.stringify({ token: 'canary-token' }));
    });
    const registry = await open((request, response) => {
      const isLet = request.headers.authorization === 'Bearer canary-token';
      const challenge = `Bearer realm="${tokens.url}/token",service="registry",scope="repository:shop:pull"`;
      response.setHeader('www-authenticate', challenge);
      response.setHeader('docker-content-digest', DIGEST);
      response.writeHead(isLet ? 200 : 401).end();
    });
    const image = `${registry.host}/shop:v1`;
    expect(await resolve(image)).toEqual({ image: `${image}@${DIGEST}` });
    await configure({ auths: { [registry.host]: { auth: AUTH } } });
    await resolve(image);
    const path = '/token?service=registry&scope=repository%3Ashop%3Apull';
    expect(asked).toEqual([path, undefined, path, `Basic ${AUTH}`]);
  });

  it('an identity token is exchanged, and shown in no address', async () => {
    const sent: string[] = [];
    const tokens = await open((request, response, body) => {
      sent.push(`${request.method} ${request.url}`, body);
      response.end(JSON.stringify({ access_token: 'canary-token' }));
    });
    const registry = await open((request, response) => {
      response.setHeader('www-authenticate', `Bearer realm="${tokens.url}/token",service="registry"`);
      response.setHeader('docker-content-digest', DIGEST);
      response.writeHead(request.headers.authorization ? 200 : 401).end();
    });
    await configure({ auths: { [registry.host]: { identitytoken: 'canary-identity' } } });
    await resolve(`${registry.host}/shop:v1`);
    expect(sent).toEqual([
      'POST /token',
      'service=registry&scope=repository%3Ashop%3Apull&client_id=headgate&grant_type=refresh_token&refresh_token=canary-identity',
    ]);
  });

  it('no login is sent to a realm without TLS, nor to a host that it points to', async () => {
    await configure({ credsStore: undefined, auths: { 'registry.example.com': { auth: AUTH } } });
    const seen: (string | undefined)[] = [];
    const mirror = await open((request, response) => {
      seen.push(request.headers.authorization);
      response.setHeader('docker-content-digest', DIGEST);
      response.end();
    });
    const registry = await open((request, response) => {
      if (request.headers.authorization) {
        response.writeHead(307, { location: `${mirror.url}${request.url}` }).end();
        return;
      }
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    await configure({ auths: { [registry.host]: { auth: AUTH } } });
    const image = `${registry.host}/shop:v1`;
    expect(await resolve(image)).toEqual({ image: `${image}@${DIGEST}` });
    expect(seen).toEqual([undefined]);
    const plain = await open((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://tokens.invalid/t"' }).end();
    });
    await configure({ auths: { [plain.host]: { auth: AUTH } } });
    expect(await resolve(`${plain.host}/shop:v1`)).toEqual({
      why: expect.stringContaining('over plain HTTP'),
    });
  });

  it('where the header is missing the digest is that of the manifest', async () => {
    const manifest = '{"schemaVersion":2}';
    const registry = await open((request, response) => {
      response.end(request.method === 'GET' ? manifest : '');
    });
    expect(await resolve(`${registry.host}/shop:v1`)).toEqual({
      image: `${registry.host}/shop:v1@sha256:bafebd36189ad3688b7b3915ea55d461e0bfcfbdde11e54b0a123999fb6be50f`,
    });
  });

  it('one that does not answer is given up after five seconds; an abort ends it at once', async () => {
    const registry = await open(() => {});
    const startedAt = Date.now();
    const abort = new AbortController();
    const aborted = resolveBy({}, `${registry.host}/shop:v1`, abort.signal);
    aborted.catch(() => undefined);
    const slow = resolve(`${registry.host}/shop:v1`);
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(await slow).toEqual({ why: `${registry.host} did not answer within 5 s` });
    expect(Date.now() - startedAt).toBeLessThan(7_000);
  });

  it.each(['Shop', 'a b', '${env:REGISTRY}/shop:v1'])('"%s" is no image', async (image) => {
    expect(await resolve(image)).toEqual({ why: expect.stringContaining('no name of an image') });
  });

  it('a configuration that cannot be read is said, and not shown', async () => {
    await writeFile(join(folder, 'config.json'), '{"auths": "canary');
    const registry = await open((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    const answer = await resolve(`${registry.host}/shop:v1`);
    expect(answer).toEqual({ why: expect.stringContaining('docker login') });
    expect(JSON.stringify(answer)).not.toContain('canary');
  });
});
