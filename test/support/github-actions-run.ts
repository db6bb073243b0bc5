/** A run of the double of GitHub, and how GitHub's API shows it. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

export const REPOSITORY = 'acme/whatsapp-saas';

export type Conclusion = 'success' | 'failure' | 'cancelled' | 'timed_out' | 'startup_failure' | 'skipped';

export interface DoubleRun {
  id: number;
  ref: string;
  inputs: Record<string, string>;
  commit: string;
  title: string;
  event: string;
  status: 'queued' | 'in_progress' | 'waiting' | 'completed';
  conclusion: Conclusion | null;
  createdMs: number;
  /** Shown in the list only when so many lists have been read since. */
  hiddenFor: number;
  cancelled: ('cancel' | 'force-cancel')[];
}

export function describeRun(run: DoubleRun) {
  return {
    id: run.id,
    name: 'Deploy',
    display_title: run.title,
    head_branch: run.ref.replace(/^refs\/(heads|tags)\//, ''),
    head_sha: run.commit,
    event: run.event,
    status: run.status,
    conclusion: run.conclusion,
    created_at: new Date(run.createdMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    html_url: linkOf(run),
    run_attempt: 1,
  };
}

export function linkOf({ id }: DoubleRun): string {
  return `https://github.com/${REPOSITORY}/actions/runs/${id}`;
}

export function answer(response: ServerResponse, status: number, body: unknown, tag?: string): void {
  const text = JSON.stringify(body);
  const etag = `W/"${createHash('sha256').update(text).digest('hex')}"`;
  if (status === 200 && tag === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', etag }).end(text);
}

export function describeJob(run: DoubleRun) {
  const isOver = run.status === 'completed';
  const step = { name: 'Switch traffic', number: 2, status: run.status, conclusion: run.conclusion };
  return {
    id: run.id * 10,
    name: 'deploy',
    status: run.status,
    conclusion: isOver ? run.conclusion : null,
    html_url: `${linkOf(run)}/job/${run.id * 10}`,
    steps: [{ name: 'Check out', number: 1, status: 'completed', conclusion: 'success' }, step],
  };
}
