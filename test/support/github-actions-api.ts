/**
 * GitHub's API as far as one workflow's runs go, and the application that the workflow deploys. Every request is held
 * against GitHub's published description; runs go on when a test says so. What it answers has the fields that
 * Headgate reads, as they are described.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Json } from '../../src/plan/resolved.js';
import {
  answer,
  type Conclusion,
  type DoubleRun,
  describeJob,
  describeRun,
  linkOf,
  REPOSITORY,
} from './github-actions-run.js';
import { checkRequest } from './github-openapi.js';
import { serve } from './http-server.js';

export const TOKEN = 'ghp_doubletoken0123456789';
export const ADMIN_TOKEN = 'admin-token-of-the-application';
export const WORKFLOW = 'deploy-production.yml';

export interface SeenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: unknown;
}

/** Answers instead of the double; returns false for what it leaves alone. */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean;

export interface GithubDoubleOptions {
  /** `given`; `ignored` as by a server that answers 204 all the same; `refused` as by Enterprise before 3.21. */
  details?: 'given' | 'ignored' | 'refused';
  /** Its file. */
  workflow?: string;
  /** Inputs that the workflow declares. */
  inputs?: string[];
  /** `/api/v3`, as Enterprise has it. */
  prefix?: string;
  /** Runs end by themselves; otherwise a test ends them. */
  ends?: Conclusion;
  /** Whether the run-name shows the inputs. */
  named?: boolean;
  /** What the application says after a run has succeeded, where that is not its ref. */
  deploys?: string;
  /** How a run takes a cancel. */
  cancels?: 'at once' | 'by force' | 'never';
}

/** v1.0.0 has been deployed by run 1. */
export class GithubDouble {
  readonly requests: SeenRequest[] = [];
  /** What is wrong with the requests; empty at the end of each test. */
  readonly faults: string[] = [];
  readonly runs: DoubleRun[] = [];
  /** What the application says; undefined while it does not answer. */
  version: string | undefined = 'v1.0.0';
  fault: Fault | undefined;
  /** Commits of refs that are there; every other ref stands for one of its own. */
  readonly commits = new Map<string, string>();
  options: GithubDoubleOptions & Required<Omit<GithubDoubleOptions, 'ends' | 'deploys'>>;
  url = '';
  app = '';
  close: () => Promise<void> = async () => {};

  constructor(options: GithubDoubleOptions = {}) {
    this.options = {
      details: 'given',
      workflow: WORKFLOW,
      inputs: ['environment', 'strategy', 'rollout'],
      prefix: '',
      named: true,
      cancels: 'at once',
      ...options,
    };
    this.begin(
      'v1.0.0',
      {},
      { status: 'completed', conclusion: 'success', createdMs: Date.now() - 3_600_000 },
    );
  }

  begin(ref: string, inputs: Record<string, string> = {}, change: Partial<DoubleRun> = {}): DoubleRun {
    const run: DoubleRun = {
      id: this.runs.length + 1,
      ref,
      inputs,
      commit: this.commitOf(ref),
      title: this.options.named ? `Deploy ${ref} ${inputs.rollout ?? ''}`.trim() : 'Deploy',
      event: 'workflow_dispatch',
      status: 'queued',
      conclusion: null,
      createdMs: Date.now(),
      hiddenFor: 0,
      cancelled: [],
      ...change,
    };
    this.runs.push(run);
    return run;
  }

  /** The newest. */
  get last(): DoubleRun {
    const run = this.runs.at(-1);
    if (!run) throw new Error('no run');
    return run;
  }

  finish(run: DoubleRun, conclusion: Conclusion): void {
    run.status = 'completed';
    run.conclusion = conclusion;
    if (conclusion === 'success') this.version = this.options.deploys ?? run.ref.replace(/^refs\/tags\//, '');
  }

  /** What a dispatch does, whether it is answered or not. */
  carryOut({ ref, inputs }: Dispatch): DoubleRun {
    const { ends } = this.options;
    const run = this.begin(ref, inputs);
    if (ends) setTimeout(() => this.finish(run, ends), 50).unref();
    return run;
  }

  commitOf(ref: string): string {
    return this.commits.get(ref) ?? createHash('sha1').update(ref).digest('hex');
  }

  dispatched(): SeenRequest[] {
    return this.requests.filter(({ path }) => path.endsWith('/dispatches'));
  }

  handle(message: IncomingMessage, response: ServerResponse, text: string): void {
    const url = new URL(message.url ?? '', 'http://double');
    if (url.pathname === '/admin/version') {
      this.#sayVersion(message, response);
      return;
    }
    const request: SeenRequest = {
      method: message.method ?? '',
      path: url.pathname.slice(this.options.prefix.length),
      query: url.searchParams,
      headers: message.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    this.requests.push(request);
    this.#check(request, url.pathname.startsWith(this.options.prefix));
    response.setHeader('date', new Date().toUTCString());
    if (this.fault?.(request, response)) return;
    this.#route(request, response);
  }

  #sayVersion(message: IncomingMessage, response: ServerResponse): void {
    if (message.headers.authorization !== `Bearer ${ADMIN_TOKEN}`) answer(response, 401, {});
    else if (this.version === undefined) answer(response, 503, {});
    else answer(response, 200, { version: this.version });
  }

  #check({ method, path, query, headers, body }: SeenRequest, hasPrefix: boolean): void {
    const wrong = [
      ...checkRequest(method, path, query, body),
      ...(hasPrefix ? [] : ['the prefix of the API is missing']),
      ...(headers.authorization === `Bearer ${TOKEN}` ? [] : ['the token is not sent']),
      ...(headers.accept === 'application/vnd.github+json' ? [] : ['accept is not as recommended']),
      ...(headers['x-github-api-version'] === '2022-11-28' ? [] : ['the version of the API is not named']),
      ...(headers['user-agent'] ? [] : ['GitHub refuses a request without user-agent']),
    ];
    this.faults.push(...wrong.map((fault) => `${method} ${path}: ${fault}`));
  }

  #route({ method, path, query, headers, body }: SeenRequest, response: ServerResponse): void {
    const base = `/repos/${REPOSITORY}/actions`;
    const workflow = `${base}/workflows/${this.options.workflow}`;
    const [, id, verb] = /\/runs\/(\d+)(?:\/([a-z-]+))?$/.exec(path) ?? [];
    const run = this.runs.find((each) => String(each.id) === id);
    const tag = headers['if-none-match'];
    const [, ref] = /^\/repos\/acme\/whatsapp-saas\/commits\/(.+)$/.exec(path) ?? [];
    if (ref !== undefined) answer(response, 200, { sha: this.commitOf(decodeURIComponent(ref)) }, tag);
    else if (method === 'POST' && path === `${workflow}/dispatches`)
      this.#dispatch(body as Dispatch, response);
    else if (method === 'GET' && path === `${workflow}/runs`) answer(response, 200, this.#list(query), tag);
    else if (!path.startsWith(base) || !run) answer(response, 404, { message: 'Not Found' });
    else if (method === 'GET' && verb === undefined) this.#show(run, response, tag);
    else if (method === 'GET') answer(response, 200, { total_count: 1, jobs: [describeJob(run)] }, tag);
    else this.#cancel(run, verb === 'cancel' ? 'cancel' : 'force-cancel', response);
  }

  #dispatch({ ref, inputs = {}, return_run_details: wanted }: Dispatch, response: ServerResponse): void {
    const { details, inputs: declared } = this.options;
    const unexpected = Object.keys(inputs).filter((name) => !declared.includes(name));
    if (details === 'refused' && wanted !== undefined) {
      const message = 'Invalid request.\n\n"return_run_details" is not a permitted key.';
      answer(response, 422, { message });
    } else if (!/^(refs\/tags\/)?v\d|^main$/.test(ref)) {
      answer(response, 422, { message: `No ref found for: ${ref}` });
    } else if (unexpected.length > 0) {
      answer(response, 422, { message: `Unexpected inputs provided: ${JSON.stringify(unexpected)}` });
    } else {
      const run = this.carryOut({ ref, inputs });
      if (details !== 'given' || !wanted) response.writeHead(204).end();
      else
        answer(response, 200, {
          workflow_run_id: run.id,
          run_url: `${this.url}/${run.id}`,
          html_url: linkOf(run),
        });
    }
  }

  #list(query: URLSearchParams) {
    const shown = this.runs.filter((run) => {
      run.hiddenFor -= 1;
      return run.hiddenFor < 0 && (query.get('event') ?? run.event) === run.event;
    });
    const [page, size] = [Number(query.get('page') ?? 1), Number(query.get('per_page') ?? 30)];
    const newest = shown.reverse().slice((page - 1) * size, page * size);
    return { total_count: shown.length, workflow_runs: newest.map((run) => describeRun(run)) };
  }

  #show(run: DoubleRun, response: ServerResponse, tag?: string): void {
    answer(response, 200, describeRun(run), tag);
    if (run.status === 'queued') run.status = 'in_progress';
  }

  #cancel(run: DoubleRun, how: 'cancel' | 'force-cancel', response: ServerResponse): void {
    if (run.status === 'completed') {
      answer(response, 409, { message: 'Cannot cancel a workflow run that is completed.' });
      return;
    }
    run.cancelled.push(how);
    answer(response, 202, {});
    const { cancels } = this.options;
    if (cancels === 'at once' || (cancels === 'by force' && how === 'force-cancel'))
      this.finish(run, 'cancelled');
  }
}

export interface Dispatch {
  ref: string;
  inputs?: Record<string, string>;
  return_run_details?: boolean;
}

export async function openGithub(options: GithubDoubleOptions = {}): Promise<GithubDouble> {
  const double = new GithubDouble(options);
  const server = await serve((request, response, body) => double.handle(request, response, body));
  double.url = `${server.url}${double.options.prefix}`;
  double.app = server.url;
  double.close = () => server.close();
  return double;
}

/** The document's way of deploying: the production workflow, asked for its version at the application. */
export function configFor(
  double: GithubDouble,
  change: { [key: string]: Json } = {},
): { [key: string]: Json } {
  return {
    repository: REPOSITORY,
    workflow: WORKFLOW,
    inputs: { environment: 'production', strategy: 'blue-green' },
    correlationInput: 'rollout',
    rollback: { inputs: { strategy: 'immediate' } },
    live: { url: `${double.app}/admin/version`, bearer: ADMIN_TOKEN },
    token: TOKEN,
    baseUrl: double.url,
    url: double.app,
    ...change,
  };
}
