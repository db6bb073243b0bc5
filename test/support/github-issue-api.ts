/**
 * Where no real GitHub is: a double of the issues of one repository, as a GitHub Enterprise server has them below
 * `/api/v3`. What it is sent is checked against GitHub's published description (github-openapi.ts) and against the
 * limits that its answers name: title 256 characters, body 65,536. Labels that are not there are made, and dropped
 * without a word when the token may not push.
 */
import type { IncomingMessage } from 'node:http';
import { checkRequest } from './github-openapi.js';
import { type LocalServer, serve } from './http-server.js';

export interface GithubIssue {
  number: number;
  title: string;
  body: string;
  labels: { name: string }[];
  state: 'open' | 'closed';
  state_reason?: string;
  created_at: string;
  updated_at: string;
  pull_request?: object;
  comments: { body: string; updated_at: string }[];
}

export interface GithubIssueApi extends LocalServer {
  /** For the notifier. */
  baseUrl: string;
  issues: GithubIssue[];
  /** Labels of the repository. */
  labels: string[];
  mayPush: boolean;
  isOn: boolean;
  /** `GET /issues`, one for each request. */
  asked: string[];
  /** Answered instead, once for each entry; with `lost` what was sent is carried out all the same. */
  failures: { status: number; body: string; headers?: Record<string, string>; lost?: boolean }[];
  /** What no request may have. */
  faults: string[];
}

export const GITHUB_TOKEN = 'github_pat_canary';
export const REPOSITORY = 'acme/shop';
const ISSUES = `/repos/${REPOSITORY}/issues`;

export async function startGithubIssueApi(now: () => number): Promise<GithubIssueApi> {
  const server = await serve((request, response, body) => {
    const failure = api.failures.shift();
    const answered = failure && !failure.lost ? failure : answer(api, request, body, new Date(now()));
    const { status, headers, body: text } = failure ?? answered;
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(text);
  });
  const api: GithubIssueApi = { ...server, baseUrl: `${server.url}/api/v3`, ...emptyRepository() };
  return api;
}

/** What a test begins with. */
export function emptyRepository(): Omit<GithubIssueApi, 'url' | 'close' | 'baseUrl'> {
  return { issues: [], labels: ['bug'], mayPush: true, isOn: true, asked: [], failures: [], faults: [] };
}

interface Reply {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

function answer(api: GithubIssueApi, request: IncomingMessage, text: string, at: Date): Reply {
  const { method = '', headers } = request;
  const { pathname, searchParams } = new URL(request.url ?? '/', api.url);
  if (!headers['user-agent']) return refuse(403, 'Request forbidden by administrative rules.');
  if (headers.authorization !== `Bearer ${GITHUB_TOKEN}`) return refuse(401, 'Bad credentials');
  const path = pathname.replace(/^\/api\/v3/, '');
  api.asked.push(`${method} ${path}`);
  const body: Record<string, unknown> | undefined = text === '' ? undefined : JSON.parse(text);
  const faults = [...checkRequest(method, path, searchParams, body), ...checkHeaders(headers, pathname)];
  api.faults.push(...faults);
  if (faults.length > 0) return refuse(422, faults.join(', '));
  if (!path.startsWith(ISSUES)) return refuse(404, 'Not Found');
  if (!api.isOn) return refuse(410, 'Issues has been disabled in this repository.');
  const [, number, comments] = /^\/(\d+)(\/comments)?$/.exec(path.slice(ISSUES.length)) ?? [];
  if (number === undefined) {
    return method === 'GET' ? list(api.issues.toReversed(), searchParams) : create(api, body ?? {}, at);
  }
  const issue = api.issues.find((one) => one.number === Number(number));
  if (!issue) return refuse(404, 'Not Found');
  if (method === 'GET') return list(issue.comments, searchParams);
  return comments ? comment(issue, String(body?.body), at) : update(issue, body ?? {});
}

function checkHeaders(headers: IncomingMessage['headers'], pathname: string): string[] {
  const { accept, 'x-github-api-version': version } = headers;
  return [
    ...(accept === 'application/vnd.github+json' ? [] : [`accept: ${accept}`]),
    ...(version === '2022-11-28' ? [] : [`x-github-api-version: ${String(version)}`]),
    ...(pathname.startsWith('/api/v3/') ? [] : [`${pathname} is not below /api/v3`]),
  ];
}

function list(entries: { updated_at: string }[], query: URLSearchParams): Reply {
  const size = Number(query.get('per_page') ?? 30);
  const page = Number(query.get('page') ?? 1);
  const since = query.get('since') ?? '';
  const recent = entries.filter(({ updated_at: at }) => at >= since);
  return { status: 200, body: JSON.stringify(recent.slice((page - 1) * size, page * size)) };
}

function create(api: GithubIssueApi, body: Record<string, unknown>, at: Date): Reply {
  const { title, body: text = '', labels = [] } = body as { title: string; body?: string; labels?: string[] };
  if (title.length > 256) return invalidField('title', 'title is too long (maximum is 256 characters)');
  if (text.length > 65_536) return invalidField('body', 'body is too long (maximum is 65536 characters)');
  const issue: GithubIssue = {
    number: api.issues.length + 1,
    title,
    body: text,
    labels: api.mayPush ? labels.map((name) => ({ name: labelOf(api, name) })) : [],
    state: 'open',
    created_at: seconds(at),
    updated_at: seconds(at),
    comments: [],
  };
  api.issues.push(issue);
  return { status: 201, body: JSON.stringify(issue) };
}

/** Names differ by more than upper and lower case. */
function labelOf({ labels }: GithubIssueApi, name: string): string {
  const known = labels.find((label) => label.toLowerCase() === name.toLowerCase());
  if (known === undefined) labels.push(name);
  return known ?? name;
}

function comment(issue: GithubIssue, body: string, at: Date): Reply {
  if (body.length > 65_536) return invalidField('body', 'body is too long (maximum is 65536 characters)');
  const added = { id: issue.comments.length + 1, body, updated_at: seconds(at) };
  issue.comments.push(added);
  return { status: 201, body: JSON.stringify(added) };
}

function update(issue: GithubIssue, change: Record<string, unknown>): Reply {
  Object.assign(issue, change);
  return { status: 200, body: JSON.stringify(issue) };
}

function seconds(at: Date): string {
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

function invalidField(field: string, message: string): Reply {
  const errors = [{ resource: 'Issue', code: 'custom', field, message }];
  return { status: 422, body: JSON.stringify({ message: 'Validation Failed', errors }) };
}

function refuse(status: number, message: string): Reply {
  return {
    status,
    body: JSON.stringify({
      message,
      documentation_url: 'https://docs.github.com/rest',
      status: String(status),
    }),
  };
}
