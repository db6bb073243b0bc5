/** What PostgreSQL's refusals mean for a gate. Pure. */
import type { NoSample } from '../endpoint.js';

/** SQLSTATE of "too many clients" and "remaining connection slots are reserved". */
const TOO_MANY_CONNECTIONS = '53300';

const REASONS: Record<string, string> = {
  ECONNREFUSED: 'connection refused: no PostgreSQL listens at the host and port of "url"',
  ENOTFOUND: 'no such host as in "url"',
  ETIMEDOUT: 'the host of "url" does not answer',
  '28P01': 'the password in "url" is not accepted',
  '28000': 'the user in "url" may not connect',
  '3D000': 'the database in "url" does not exist',
  '42501': 'the user in "url" lacks a privilege that "query" needs',
  '25006': '"query" changes something; a probe only reads',
  '57014': 'the query was cancelled: it took longer than the time of the probe',
  '57P03': 'the server is starting up or shutting down',
};

/** The server's own words follow the explanation; they carry no connection URL. */
export function explainFailure(error: unknown): NoSample {
  const code = codeOf(error);
  const words = error instanceof Error ? error.message : String(error);
  if (code === TOO_MANY_CONNECTIONS) {
    return { kind: 'fail', message: `the server takes no more connections (53300): ${words}` };
  }
  const reason = code === undefined ? undefined : REASONS[code];
  const found = code === undefined ? words : `${words || 'no connection'} (${code})`;
  return { kind: 'error', message: reason ? `${reason}: ${found}` : found };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
