/** A TLS front of a test's own before a plain gRPC server, and the certificates for it, made by the real openssl. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import {
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** For `describe.skipIf`: true, and said aloud, when openssl is missing. In CI a missing part is a failure. */
export function opensslIsMissing(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return false;
  const how = 'openssl is missing: install it, the TLS suites make their certificates with it.';
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority: writes `NAME.pem` and `NAME.key` into a folder. */
export class Authority {
  private constructor(
    private readonly folder: string,
    private readonly name: string,
  ) {}

  static async create(folder: string, name: string): Promise<Authority> {
    const authority = new Authority(folder, name);
    const files = ['-keyout', authority.path('.key'), '-out', authority.path('.pem')];
    await run('openssl', ['req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', `/CN=${name}`]);
    return authority;
  }

  /** `NAME.pem` and `NAME.key`, for the host `host`. */
  async issue(name: string, host: string): Promise<void> {
    const path = (end: string) => join(this.folder, name + end);
    const request = ['-keyout', path('.key'), '-out', path('.csr'), '-subj', `/CN=${name}`];
    await run('openssl', ['req', ...NEW_KEY, ...request]);
    await writeFile(path('.ext'), `subjectAltName=DNS:${host}\n`);
    const signer = ['-CA', this.path('.pem'), '-CAkey', this.path('.key'), '-CAcreateserial'];
    const result = ['-out', path('.pem'), '-days', '2', '-extfile', path('.ext')];
    await run('openssl', ['x509', '-req', '-in', path('.csr'), ...signer, ...result]);
  }

  private path(end: string): string {
    return join(this.folder, this.name + end);
  }
}

export interface FrontOptions {
  /** Address of the plain server, `host:port`. */
  upstream: string;
  /** Folder with `NAME.pem` and `NAME.key`, as `Authority` writes them. */
  folder: string;
  certificate: string;
  /** Requires a client certificate that this authority of the folder has signed. */
  clientAuthority?: string;
  /** What a call has to carry as `authorization`. */
  authorization?: string;
  /** Calls that are refused to everybody. */
  refusedPath?: RegExp;
}

/** Of the calls that came through, or were refused for what they carried. */
export interface SeenCall {
  path: string;
  userAgent: string;
  authorization?: string;
  /** Common name of the client's certificate. */
  client?: string;
}

export interface TlsFront {
  /** `localhost:port`. */
  address: string;
  calls: SeenCall[];
  close(): Promise<void>;
}

export async function startTlsFront(options: FrontOptions): Promise<TlsFront> {
  const { folder, certificate, clientAuthority } = options;
  const server = createSecureServer({
    cert: await readFile(join(folder, `${certificate}.pem`)),
    key: await readFile(join(folder, `${certificate}.key`)),
    ...(clientAuthority && { ca: await readFile(join(folder, `${clientAuthority}.pem`)), requestCert: true }),
  });
  const upstream = connect(`http://${options.upstream}`);
  const sessions = new Set<ServerHttp2Session>();
  const calls: SeenCall[] = [];
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const call = describeCall(stream, headers);
    calls.push(call);
    const refusal = refuse(call, options);
    if (refusal) stream.respond(refusal, { endStream: true });
    else forward(stream, upstream.request(withoutAuthority(headers)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `localhost:${(server.address() as AddressInfo).port}`,
    calls,
    async close() {
      for (const session of sessions) session.destroy();
      upstream.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** openssl's own server: it says what it holds against a certificate, where Node's hangs up. It speaks no gRPC. */
export async function startStrictServer(
  folder: string,
  certificate: string,
  clientAuthority: string,
): Promise<{ address: string; close(): void }> {
  const own = ['-cert', `${certificate}.pem`, '-key', `${certificate}.key`];
  const verify = ['-Verify', '1', '-verify_return_error', '-CAfile', `${clientAuthority}.pem`];
  const server = spawn('openssl', ['s_server', '-accept', '127.0.0.1:0', '-alpn', 'h2', ...own, ...verify], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  for await (const line of createInterface({ input: server.stdout })) {
    const port = /^ACCEPT .*:(\d+)$/.exec(line)?.[1];
    if (port) return { address: `localhost:${port}`, close: () => void server.kill('SIGKILL') };
  }
  throw new Error('openssl s_server ended before it listened');
}

function describeCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): SeenCall {
  const socket = stream.session?.socket as TLSSocket;
  return {
    path: String(headers[':path']),
    userAgent: String(headers['user-agent']),
    authorization: headers.authorization,
    client: [socket.getPeerCertificate().subject?.CN].flat()[0],
  };
}

/** A gRPC error that consists of headers alone, as Temporal Cloud answers what it does not let in. */
function refuse(call: SeenCall, { authorization, refusedPath }: FrontOptions) {
  const unknown = authorization !== undefined && call.authorization !== authorization;
  if (!unknown && !refusedPath?.test(call.path)) return undefined;
  return {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-status': '7',
    'grpc-message': 'Request unauthorized.',
  };
}

function withoutAuthority(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { ':authority': _, ':scheme': __, ...rest } = headers;
  return rest;
}

/** Both bodies as they come, then gRPC's trailers. */
function forward(
  stream: ServerHttp2Stream,
  upstream: ReturnType<ReturnType<typeof connect>['request']>,
): void {
  let trailers: IncomingHttpHeaders = {};
  stream.on('error', () => upstream.close());
  upstream.on('error', () => stream.close());
  stream.on('close', () => upstream.close(constants.NGHTTP2_CANCEL));
  upstream.on('trailers', (received) => {
    trailers = received;
  });
  upstream.on('response', (headers, flags) => {
    if (stream.destroyed) return;
    if (flags & constants.NGHTTP2_FLAG_END_STREAM) return stream.respond(headers, { endStream: true });
    stream.respond(headers, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    upstream.pipe(stream);
  });
  stream.pipe(upstream);
}
