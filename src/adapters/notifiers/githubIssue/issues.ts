/** The issues of one repository, through GitHub's REST API. */
import { z } from 'zod';
import type { HttpResponse } from '../../../platform/http.js';
import { type Post, parseJson, sendJson } from '../post.js';
import { describeRefusal } from './answers.js';
import type { Config } from './schema.js';

/** Enterprise servers know this one, too. */
const API_VERSION = '2022-11-28';
/** A page holds bodies of 64 KB each. */
const PAGE_SIZE = 50;
const MOST_PAGES = 5;
const LONGEST_ANSWER_BYTES = 16 * 1024 * 1024;

const issueSchema = z.object({
  number: z.int(),
  body: z.string().nullish(),
  created_at: z.iso.datetime(),
  labels: z.array(z.union([z.string(), z.object({ name: z.string().optional() })])),
  pull_request: z.unknown().optional(),
});
const commentSchema = z.object({ body: z.string().optional() });

export type Issue = z.infer<typeof issueSchema>;

export class Issues {
  readonly #config: Config;
  readonly #signal: AbortSignal;
  readonly #now: () => number;

  constructor(config: Config, signal: AbortSignal, now: () => number) {
    this.#config = config;
    this.#signal = signal;
    this.#now = now;
  }

  /**
   * The issue with `marker` in its body. It asks the list, which knows an issue as soon as it is made; GitHub's search
   * does not.
   * @param since `2026-01-16T12:00:00Z`; an older issue is not the one
   */
  async find(marker: string, since: string): Promise<Issue | undefined> {
    const query = { state: 'all', sort: 'created', direction: 'desc', since };
    for await (const issue of this.#list('', query, issueSchema)) {
      if (issue.created_at < since) return undefined;
      if (issue.pull_request === undefined && issue.body?.includes(marker)) return issue;
    }
    return undefined;
  }

  async hasComment(number: string, marker: string, since: string): Promise<boolean> {
    for await (const { body } of this.#list(`/${number}/comments`, { since }, commentSchema)) {
      if (body?.includes(marker)) return true;
    }
    return false;
  }

  async create(issue: { title: string; body: string }): Promise<Issue> {
    const { labels } = this.#config;
    const response = await this.#send('POST', '', { ...issue, labels });
    return this.#read(response, 201, issueSchema);
  }

  /** @returns false when there is no such issue any more */
  async comment(number: string, body: string): Promise<boolean> {
    const response = await this.#send('POST', `/${number}/comments`, { body });
    // Deleted, or moved to another repository.
    if ([301, 404, 410].includes(response.status)) return false;
    this.#read(response, 201, z.object({}));
    return true;
  }

  async close(number: string): Promise<void> {
    const response = await this.#send('PATCH', `/${number}`, { state: 'closed', state_reason: 'completed' });
    this.#read(response, 200, z.object({}));
  }

  async *#list<Entry>(
    path: string,
    filter: Record<string, string>,
    schema: z.ZodType<Entry>,
  ): AsyncGenerator<Entry> {
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const query = new URLSearchParams({ ...filter, per_page: String(PAGE_SIZE), page: String(page) });
      const response = await this.#send('GET', `${path}?${query.toString()}`);
      const entries = this.#read(response, 200, z.array(schema));
      yield* entries;
      if (entries.length < PAGE_SIZE) return;
    }
  }

  #send(method: Post['method'], path: string, body?: unknown): Promise<HttpResponse> {
    const { repository, token, baseUrl = 'https://api.github.com' } = this.#config;
    return sendJson({
      what: 'GitHub',
      method,
      url: `${baseUrl.replace(/\/+$/, '')}/repos/${repository}/issues${path}`,
      bearer: token,
      headers: { accept: 'application/vnd.github+json', 'x-github-api-version': API_VERSION },
      body,
      signal: this.#signal,
      maxBodyBytes: LONGEST_ANSWER_BYTES,
    });
  }

  #read<Answer>(response: HttpResponse, status: number, schema: z.ZodType<Answer>): Answer {
    const parsed = schema.safeParse(parseJson(response.body));
    if (response.status === status && parsed.success) return parsed.data;
    throw describeRefusal(response, this.#config.repository, this.#now());
  }
}
