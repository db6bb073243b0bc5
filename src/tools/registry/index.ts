/**
 * Which image a tag stands for, by the OCI distribution API: a tag may be moved between an approval and a deploy, a
 * digest may not.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { HttpError, type HttpResponse, request } from '../../platform/http.js';
import { type CredentialDeps, readCredential } from './credentials.js';
import { apiOf, type ImageName, isSafe, parseImageName } from './image-name.js';
import { answerChallenge, hint } from './token.js';

export interface ImageResolver {
  /**
   * `registry/shop:v1.0.1@sha256:…`, or why that could not be found out, in words without a secret. Takes five seconds
   * at most.
   * @throws the signal's reason
   */
  resolve: (image: string, signal: AbortSignal) => Promise<{ image: string } | { why: string }>;
}

const LONGEST_MS = 5_000;
const MOST_REDIRECTS = 3;
const LARGEST_MANIFEST_BYTES = 4 * 1024 * 1024;
/** An index first: the digest of an image of many platforms is that of its index. */
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md */
const manifestSchema = z.object({ schemaVersion: z.literal(2) });

export function createImageResolver(deps: CredentialDeps): ImageResolver {
  return {
    async resolve(image, signal) {
      const name = parseImageName(image);
      if (!name) return { why: 'it is no name of an image, such as registry.example.com/shop:v1.0.1' };
      if (name.digest !== undefined) return { image };
      const timeout = AbortSignal.timeout(LONGEST_MS);
      const asking = new Asking(deps, name, AbortSignal.any([signal, timeout]));
      try {
        return { image: `${withTag(image, name)}@${await asking.digest()}` };
      } catch (error) {
        signal.throwIfAborted();
        return { why: timeout.aborted ? tooSlow(name) : explain(name, error) };
      }
    },
  };
}

function withTag(image: string, { tag }: ImageName): string {
  return image.endsWith(`:${tag}`) ? image : `${image}:${tag}`;
}

function tooSlow({ registry }: ImageName): string {
  return `${registry} did not answer within ${LONGEST_MS / 1000} s`;
}

function explain({ registry }: ImageName, error: unknown): string {
  const said = error instanceof Error ? error.message : 'no answer';
  return error instanceof HttpError ? said : `${registry}: ${said}`;
}

/** A page of something in between has a digest, too. */
function isManifest(body: string): boolean {
  try {
    return manifestSchema.safeParse(JSON.parse(body)).success;
  } catch {
    return false;
  }
}

/** The questions about one image. What is shown to a registry is not shown to a host that it points to. */
class Asking {
  readonly #deps: CredentialDeps;
  readonly #name: ImageName;
  readonly #signal: AbortSignal;
  #authorization: string | undefined;

  constructor(deps: CredentialDeps, name: ImageName, signal: AbortSignal) {
    this.#deps = deps;
    this.#name = name;
    this.#signal = signal;
  }

  async digest(): Promise<string> {
    const head = await this.#ask('HEAD');
    const told = head.headers['docker-content-digest'];
    if (told !== undefined) {
      if (/^sha256:[0-9a-f]{64}$/.test(told)) return told;
      throw new Error('it tells a digest that is none');
    }
    // The header is for it to leave out; the digest is that of the bytes.
    const { body, truncated } = await this.#ask('GET');
    if (truncated) throw new Error('its manifest is larger than 4 MiB');
    if (!isManifest(body)) throw new Error('it answers with something else than a manifest');
    return `sha256:${createHash('sha256').update(body).digest('hex')}`;
  }

  async #ask(method: 'HEAD' | 'GET'): Promise<HttpResponse> {
    const { registry, repository, tag } = this.#name;
    const url = `${apiOf(registry)}/v2/${repository}/manifests/${tag}`;
    let response = await this.#follow(method, url);
    let credential: Awaited<ReturnType<typeof readCredential>>;
    if (response.status === 401 && this.#authorization === undefined) {
      credential = await readCredential(this.#deps, registry, this.#signal);
      const challenge = response.headers['www-authenticate'] ?? '';
      const limits = { timeoutMs: LONGEST_MS, signal: this.#signal };
      this.#authorization = await answerChallenge(challenge, credential, this.#name, limits);
      if (this.#authorization !== undefined) response = await this.#follow(method, url);
    }
    if (response.status === 200) return response;
    if (response.status === 404) throw new Error(`there is no ${repository}:${tag} (404)`);
    throw new Error(`it answers ${response.status}${hint(response.status, credential)}`);
  }

  async #follow(method: string, from: string): Promise<HttpResponse> {
    let url = new URL(from);
    for (let hops = 0; ; hops += 1) {
      const isOwn = url.origin === new URL(from).origin;
      const headers: Record<string, string> = { accept: ACCEPT };
      if (isOwn && this.#authorization !== undefined) headers.authorization = this.#authorization;
      const response = await request({
        method,
        url: url.href,
        headers,
        timeoutMs: LONGEST_MS,
        signal: this.#signal,
        maxBodyBytes: LARGEST_MANIFEST_BYTES,
      });
      const to = response.headers.location;
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && to !== undefined;
      if (!isRedirect || hops === MOST_REDIRECTS) return response;
      url = new URL(to, url);
      if (!isSafe(url, this.#name.registry)) throw new Error(`it points to ${url.host}, not by TLS`);
    }
  }
}
