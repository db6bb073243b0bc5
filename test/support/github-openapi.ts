/**
 * Requests to GitHub, held against its published description. Which operations there are: `OPERATIONS` in
 * scripts/github-openapi.mjs, which makes the fixture.
 */
import { createRequestCheck } from './openapi.js';

const check = createRequestCheck('github-openapi.json');

/**
 * @param path `/repos/acme/shop/issues`, without an Enterprise server's `/api/v3`
 * @returns what is wrong, a line each
 */
export function checkRequest(
  method: string,
  path: string,
  query?: URLSearchParams,
  body?: unknown,
): string[] {
  return check({ method, path, query, body });
}
