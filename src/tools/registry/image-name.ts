/** The name of an image, as Docker reads it. Pure. */

export interface ImageName {
  /** Host, and port where one is given. */
  registry: string;
  repository: string;
  tag: string;
  /** The image is pinned already. */
  digest?: string;
}

const HUB = 'docker.io';
const REPOSITORY = /^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REGISTRY = /^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(:\d{1,5})?$/;

/** `nginx` is `docker.io/library/nginx:latest`. Undefined when it is no image's name. */
export function parseImageName(image: string): ImageName | undefined {
  const [named = '', digest, ...rest] = image.split('@');
  if (rest.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : 'latest';
  const { registry, repository } = splitHost(hasTag ? named.slice(0, colon) : named);
  if (!REGISTRY.test(registry) || !REPOSITORY.test(repository) || !TAG.test(tag)) return undefined;
  return { registry, repository, tag, ...(digest === undefined ? {} : { digest }) };
}

/** What is before the first slash is a host only if it looks like one. */
function splitHost(path: string): { registry: string; repository: string } {
  const slash = path.indexOf('/');
  const first = path.slice(0, Math.max(slash, 0));
  if (slash > 0 && (/[.:]/.test(first) || first === 'localhost')) {
    const registry = first === 'index.docker.io' ? HUB : first;
    return { registry, repository: officialOf(registry, path.slice(slash + 1)) };
  }
  return { registry: HUB, repository: officialOf(HUB, path) };
}

function officialOf(registry: string, path: string): string {
  return registry === HUB && !path.includes('/') ? `library/${path}` : path;
}

/** Where its API is: by TLS, but on this machine. */
export function apiOf(registry: string): string {
  if (registry === HUB) return 'https://registry-1.docker.io';
  return `${isLoopback(registry) ? 'http' : 'https'}://${registry}`;
}

/** May `registry` send us there? Without TLS only from this machine to this machine. */
export function isSafe(url: URL, registry: string): boolean {
  return url.protocol === 'https:' || (isLoopback(url.host) && isLoopback(registry));
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/.test(host);
}

/** Under which name Docker keeps what it logs in with. */
export function credentialKeyOf(registry: string): string {
  return registry === HUB ? 'https://index.docker.io/v1/' : registry;
}
