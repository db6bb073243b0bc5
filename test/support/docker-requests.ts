/** Requests of the docker command line as the published description has them. */

/** The Engine takes 1 for true. */
export function inWords(query: URLSearchParams): URLSearchParams {
  const words = new URLSearchParams(query);
  for (const key of ['stdout', 'stderr', 'timestamps', 'follow']) if (query.has(key)) words.set(key, 'true');
  return words;
}

export function encodeName(_whole: string, name: string): string {
  return `/distribution/${encodeURIComponent(decodeURIComponent(name))}/json`;
}

/** Go writes what is not set as null; the description knows it as absent. */
export function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== null);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutNull(entry)]));
}
