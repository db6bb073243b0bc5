/** What GitHub's answers mean: is it worth repeating, when, and what would mend it. Pure. */
import { z } from 'zod';
import { invalid, notPermitted } from '../../../platform/failures.js';
import type { HttpResponse } from '../../../platform/http.js';

const LONGEST_REASON = 300;
/** What GitHub asks for after a secondary limit that says no time. */
const SECONDARY_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 65 * 60_000;
/** The request never left, or nobody was there to take it. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

const refused = z.object({ message: z.string(), errors: z.array(z.unknown()).optional() });

/** How long GitHub wants to be left alone; undefined when that is not what it says. Nothing has been carried out then. */
export function delayOf(response: HttpResponse, nowMs: number): number | undefined {
  const { status, headers } = response;
  if (status !== 403 && status !== 429) return undefined;
  const seconds = Number(headers['retry-after']);
  if (seconds > 0) return Math.min(seconds * 1000, LONGEST_DELAY_MS);
  const resetMs = Number(headers['x-ratelimit-reset']) * 1000;
  if (headers['x-ratelimit-remaining'] === '0' && resetMs > 0) {
    return Math.min(Math.max(resetMs - nowMs, 0) + 1_000, LONGEST_DELAY_MS);
  }
  return status === 429 || /rate limit/i.test(readReason(response.body)) ? SECONDARY_DELAY_MS : undefined;
}

/** Nobody can tell whether it was carried out. */
export function isTrouble({ status }: HttpResponse): boolean {
  return status >= 500 || status === 408;
}

/** Certainly nothing was carried out, and later it may be. */
export function neverArrived(code: string): boolean {
  return UNSENT.has(code);
}

/** An older Enterprise server that does not know the parameter; it has done nothing. */
export function knowsNoDetails({ status, body }: HttpResponse): boolean {
  return (status === 400 || status === 422) && readReason(body).includes('return_run_details');
}

/** The failure for an answer that repeating does not change. */
export function describeRefusal(response: HttpResponse, repository: string): Error {
  const { status, body } = response;
  const reason = readReason(body);
  const said = `GitHub refuses it (${status}${reason === '' ? '' : `, ${reason}`}).`;
  if (status === 401) {
    return notPermitted(`${said} Give the worker a valid token; this one is wrong, revoked or has expired.`);
  }
  if (status === 403) {
    return notPermitted(
      `${said} Give the token the right to run workflows of ${repository}: "Actions: read and write", or the scope repo of a classic one.`,
    );
  }
  return invalid(`${said} ${mendOf(response, repository)}`);
}

function mendOf({ status, headers }: HttpResponse, repository: string): string {
  if (status < 400) {
    return `${repository} has moved${hostOf(headers.location)}, or something answers in GitHub's place. A redirect is not followed, for the token would go along: name in the plan where the repository is now.`;
  }
  if (status === 404) {
    return `There is no such workflow or run in ${repository}, or the token may not see it. Check repository, workflow (its file name alone) and baseUrl in the plan, and what the token may do.`;
  }
  if (status === 422) {
    return 'Check in the plan that ref is a branch or a tag which is pushed, and that the workflow has there: on: workflow_dispatch with every input that the plan gives, correlationInput included.';
  }
  return 'Check repository, workflow and baseUrl of the target in the plan.';
}

function hostOf(location: string | undefined): string {
  return location !== undefined && URL.canParse(location) ? ` to ${new URL(location).host}` : '';
}

/** GitHub's own words; nothing of a page of something in between. */
function readReason(body: string): string {
  const { data } = refused.safeParse(parseJson(body));
  if (!data) return '';
  const parts = [data.message, ...(data.errors ?? []).map(readFault)].filter((part) => part !== '');
  return parts.join(': ').replace(/\s+/g, ' ').trim().slice(0, LONGEST_REASON);
}

function readFault(error: unknown): string {
  if (typeof error === 'string') return error;
  const { data } = z.object({ message: z.string() }).safeParse(error);
  return data?.message ?? '';
}

/** What somebody else wrote; undefined when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
