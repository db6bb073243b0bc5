/** The runs of one workflow: what they are, and what is asked of them. */
import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import type { TargetCall } from '../target.js';
import { knowsNoDetails, parseJson } from './answers.js';
import { GithubApi, type Sent, webOf } from './api.js';
import { type Deed, shortRef } from './deed.js';
import type { Pace } from './pace.js';
import type { Config } from './schema.js';

const PAGE_SIZE = 30;
const MOST_PAGES = 5;
/** Clocks of Temporal, of the worker and of GitHub may differ. */
const CLOCK_SKEW_MS = 30_000;

const runSchema = z.object({
  id: z.int(),
  display_title: z.string(),
  head_branch: z.string().nullable(),
  head_sha: z.string(),
  /** `queued`, `in_progress`, `waiting` for an approval, `completed`, … */
  status: z.string().nullable(),
  /** Of a completed one: `success`, `failure`, `cancelled`, … */
  conclusion: z.string().nullable(),
  created_at: z.iso.datetime({ offset: true }),
  html_url: z.string(),
});
const pageSchema = z.object({ workflow_runs: z.array(runSchema) });

const stepSchema = z.object({ name: z.string(), status: z.string(), conclusion: z.string().nullable() });
const jobSchema = z.object({
  name: z.string(),
  status: z.string(),
  conclusion: z.string().nullable(),
  html_url: z.string().nullable(),
  steps: z.array(stepSchema).optional(),
});
const jobsSchema = z.object({ jobs: z.array(jobSchema) });
const dispatchedSchema = z.object({ workflow_run_id: z.int() });

export type GithubRun = z.infer<typeof runSchema>;
export type GithubJob = z.infer<typeof jobSchema>;

/** `run` where the server tells which one it has begun; `atMs` by its own clock. */
export type Dispatched = { kind: 'dispatched'; run?: number; atMs: number } | (Sent & { kind: 'unclear' });

export class WorkflowRuns {
  /** Where people look. */
  readonly page: string;
  readonly #api: GithubApi;
  readonly #workflow: string;
  readonly #pace: Pace;

  constructor(call: Pick<TargetCall<Config>, 'config' | 'tell'>, pace: Pace, signal: AbortSignal) {
    const { config } = call;
    this.#api = new GithubApi(call, pace, signal);
    this.#workflow = `/actions/workflows/${encodeURIComponent(config.workflow)}`;
    this.#pace = pace;
    this.page = `${webOf(config)}/${config.repository}${this.#workflow}`;
  }

  /** Begun by a dispatch since then, newest first; `sinceMs` is not exact. Of all that ever were (0) the newest few. */
  async list(sinceMs: number): Promise<GithubRun[]> {
    const runs: GithubRun[] = [];
    const mostPages = sinceMs === 0 ? 2 : MOST_PAGES;
    for (let page = 1; page <= mostPages; page += 1) {
      const query = new URLSearchParams({
        event: 'workflow_dispatch',
        exclude_pull_requests: 'true',
        per_page: String(PAGE_SIZE),
        page: String(page),
      });
      const { workflow_runs: found } = await this.#api.get(
        `${this.#workflow}/runs?${query.toString()}`,
        pageSchema,
      );
      const since = found.filter((run) => Date.parse(run.created_at) >= sinceMs - CLOCK_SKEW_MS);
      runs.push(...since);
      if (since.length < PAGE_SIZE) break;
    }
    return runs;
  }

  get(run: number): Promise<GithubRun> {
    return this.#api.get(`/actions/runs/${run}?exclude_pull_requests=true`, runSchema, this.#pace.patienceMs);
  }

  /** Of its last attempt. */
  async jobs(run: number): Promise<GithubJob[]> {
    const path = `/actions/runs/${run}/jobs?filter=latest&per_page=100`;
    return (await this.#api.get(path, jobsSchema, this.#pace.patienceMs)).jobs;
  }

  /** The commit that a ref stands for; undefined when there is none, or the token may not read it. */
  async commitOf(ref: string): Promise<string | undefined> {
    try {
      const path = `/commits/${encodeURIComponent(ref)}?per_page=1`;
      return (await this.#api.get(path, z.object({ sha: z.string() }))).sha;
    } catch (error) {
      if (error instanceof ApplicationFailure && error.nonRetryable) return undefined;
      throw error;
    }
  }

  async dispatch({ ref, inputs }: Deed): Promise<Dispatched> {
    const path = `${this.#workflow}/dispatches`;
    const body = { ref, inputs };
    const detailed = await this.#api.post(path, { ...body, return_run_details: true }, knowsNoDetails);
    const sent =
      detailed.kind === 'answered' && knowsNoDetails(detailed.response)
        ? await this.#api.post(path, body)
        : detailed;
    if (sent.kind === 'unclear') return sent;
    const { headers, body: text } = sent.response;
    const { data } = dispatchedSchema.safeParse(parseJson(text));
    const atMs = Date.parse(headers.date ?? '') || Date.now();
    return { kind: 'dispatched', run: data?.workflow_run_id, atMs };
  }

  /** Asks for it; whether it ends is seen from the run. */
  async cancel(run: number, how: 'cancel' | 'force-cancel'): Promise<void> {
    await this.#api.post(`/actions/runs/${run}/${how}`, undefined, ({ status }) => status === 409);
  }
}

export function isOpen({ status }: GithubRun): boolean {
  return status !== 'completed';
}

export function isOn({ head_branch: branch }: GithubRun, ref: string): boolean {
  return branch !== null && shortRef(branch) === shortRef(ref);
}

const STATES: Record<string, string> = {
  waiting: 'waits for an approval in GitHub',
  in_progress: 'is in progress',
  success: 'has succeeded',
  failure: 'has failed',
  cancelled: 'was cancelled, by somebody in GitHub or by a newer run of its concurrency group',
  timed_out: 'ran out of its time',
  startup_failure: 'could not start: its workflow file, or something that it uses, is not valid',
  action_required: 'waits for an approval in GitHub',
  skipped: 'was skipped: none of its jobs ran',
};

/** `run 12 (https://…) has failed in job deploy, step Switch (https://…)`. */
export function describeRun(run: GithubRun, jobs: GithubJob[] = []): string {
  const state = (isOpen(run) ? run.status : run.conclusion) ?? 'unknown';
  const where = jobs.find((job) => (isOpen(run) ? isUnderWay(job) : isAgainst(job)));
  const what = STATES[state] ?? `is ${state.replaceAll('_', ' ')}`;
  return `run ${run.id} (${run.html_url}) ${what}${where ? ` in ${describeJob(where)}` : ''}`;
}

function describeJob({ name, steps = [], html_url: link }: GithubJob): string {
  const step = steps.find((each) => each.status === 'in_progress' || isAgainst(each));
  return `job ${name}${step ? `, step ${step.name}` : ''}${link === null ? '' : ` (${link})`}`;
}

function isUnderWay({ status }: { status: string }): boolean {
  return status === 'in_progress' || status === 'waiting';
}

function isAgainst({ conclusion }: { conclusion: string | null }): boolean {
  return conclusion !== null && !['success', 'skipped', 'neutral'].includes(conclusion);
}
