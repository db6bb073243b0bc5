/**
 * GitHub's REST API for one repository. Reads are repeated and conditional: an answer that has not changed does not
 * count against the limit. A write is sent once, and again only when GitHub says that it has not been carried out.
 * No redirect is followed, so that the token goes to no other host.
 */
import type { z } from 'zod';
import { invalid } from '../../../platform/failures.js';
import { HttpError, type HttpResponse, request } from '../../../platform/http.js';
import type { TargetCall } from '../target.js';
import { delayOf, describeRefusal, isTrouble, neverArrived, parseJson } from './answers.js';
import { growingDelays, type Pace, sleep } from './pace.js';
import type { Config } from './schema.js';

/** Enterprise servers know this one, too. */
const API_VERSION = '2022-11-28';
const TIMEOUT_MS = 10_000;
/** A page of runs; each of them carries its repository. */
const LONGEST_ANSWER_BYTES = 8 * 1024 * 1024;
/** Of a look that nobody follows. */
const SHORT_PATIENCE_MS = 15_000;

/** `unclear`: nobody can tell whether it was carried out. */
export type Sent = { kind: 'answered'; response: HttpResponse } | { kind: 'unclear'; why: string };

interface Remembered {
  etag: string;
  body: string;
}

type ApiCall = Pick<TargetCall<Config>, 'config' | 'tell'>;

export class GithubApi {
  readonly #call: ApiCall;
  readonly #pace: Pace;
  readonly #signal: AbortSignal;
  readonly #remembered = new Map<string, Remembered>();

  constructor(call: ApiCall, pace: Pace, signal: AbortSignal) {
    this.#call = call;
    this.#pace = pace;
    this.#signal = signal;
  }

  /**
   * @param path below the repository: `/actions/runs/12`
   * @throws Error that may be repeated when GitHub was not to be had all the time; ApplicationFailure when it refuses
   */
  async get<Answer>(
    path: string,
    schema: z.ZodType<Answer>,
    patienceMs: number = SHORT_PATIENCE_MS,
  ): Promise<Answer> {
    const until = Date.now() + patienceMs;
    for (const delayMs of growingDelays(this.#pace.pollMs)) {
      const found = await this.#tryGet(path, schema);
      if ('answer' in found) return found.answer;
      if (Date.now() + delayMs > until) throw new Error(found.why);
      this.#call.tell(found.why);
      await sleep(delayMs, this.#signal);
    }
    throw new TypeError('the delays never end');
  }

  async #tryGet<Answer>(
    path: string,
    schema: z.ZodType<Answer>,
  ): Promise<{ answer: Answer } | { why: string }> {
    const known = this.#remembered.get(path);
    const sent = await this.#exchange('GET', path, { etag: known?.etag, signal: this.#signal });
    if (sent.kind === 'unclear') return sent;
    const { status, headers, body: fresh, truncated } = sent.response;
    if (status !== 200 && status !== 304) throw describeRefusal(sent.response, this.#call.config.repository);
    const body = status === 304 ? (known?.body ?? '') : fresh;
    const parsed = schema.safeParse(parseJson(body));
    if (!parsed.success || truncated) {
      return { why: `GitHub: the answer to GET ${path} is cut off or none of its API` };
    }
    if (headers.etag !== undefined) this.#remembered.set(path, { etag: headers.etag, body });
    return { answer: parsed.data };
  }

  /**
   * Not interrupted by the signal once it is under way, for then nobody would know whether it was carried out.
   * @param isKnown a refusal that the caller can do something with
   * @throws Error that may be repeated when it certainly did not arrive; ApplicationFailure when GitHub refuses
   */
  async post(
    path: string,
    body?: unknown,
    isKnown: (response: HttpResponse) => boolean = () => false,
  ): Promise<Sent> {
    this.#signal.throwIfAborted();
    const sent = await this.#exchange('POST', path, { body });
    if (sent.kind === 'unclear' || sent.response.status < 300 || isKnown(sent.response)) return sent;
    throw describeRefusal(sent.response, this.#call.config.repository);
  }

  /** One exchange; waits as long as GitHub wants to be left alone, and sends it again then. */
  async #exchange(method: 'GET' | 'POST', path: string, options: ExchangeOptions): Promise<Sent> {
    for (;;) {
      const sent = await this.#send(method, path, options);
      if (sent.kind === 'unclear') return sent;
      const delayMs = delayOf(sent.response, Date.now());
      if (delayMs !== undefined) {
        const until = new Date(Date.now() + delayMs).toISOString().slice(11, 19);
        this.#call.tell(`GitHub wants no request before ${until} UTC (${sent.response.status})`);
        await sleep(delayMs, this.#signal);
      } else if (isTrouble(sent.response)) {
        return { kind: 'unclear', why: `GitHub is in trouble (${sent.response.status})` };
      } else {
        return sent;
      }
    }
  }

  async #send(method: 'GET' | 'POST', path: string, options: ExchangeOptions): Promise<Sent> {
    const { config } = this.#call;
    const { body, etag, signal } = options;
    try {
      const response = await request({
        method,
        url: `${apiOf(config)}/repos/${config.repository}${path}`,
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${config.token}`,
          'x-github-api-version': API_VERSION,
          ...(etag === undefined ? {} : { 'if-none-match': etag }),
          ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        timeoutMs: TIMEOUT_MS,
        maxBodyBytes: LONGEST_ANSWER_BYTES,
        signal,
      });
      return { kind: 'answered', response };
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      if (error.code.startsWith('ERR_')) {
        throw invalid(`GitHub cannot be asked: ${error.message}. Check baseUrl and token in the plan.`);
      }
      if (method === 'POST' && neverArrived(error.code)) throw new Error(`GitHub: ${error.message}`);
      return { kind: 'unclear', why: `GitHub: ${error.message}` };
    }
  }
}

interface ExchangeOptions {
  body?: unknown;
  etag?: string;
  signal?: AbortSignal;
}

function apiOf({ baseUrl = 'https://api.github.com' }: Config): string {
  return baseUrl.replace(/\/+$/, '');
}

/** Where people look: `https://github.com` for `https://api.github.com`, the host itself for `…/api/v3`. */
export function webOf(config: Config): string {
  return apiOf(config)
    .replace(/\/api\/v3$/, '')
    .replace(/^(https?:\/\/)api\./, '$1');
}
