/** Puts values in place of a plan's references, on the worker and nowhere else. */
import type { Subject } from '../contract/activities.js';
import type { Json } from '../plan/resolved.js';
import { invalid, notPermitted } from './failures.js';
import type { Redactor } from './redaction.js';

const REFERENCE = /\$\{(env|secret|release|rollout):([^}]*)\}/g;

export interface ReferenceDeps {
  /** What `Settings.allowedReferences` lists. */
  allowed: string[];
  env: NodeJS.ProcessEnv;
  /** The whole secret when `key` is absent, else one key of a JSON secret. */
  readSecret(id: string, key: string | undefined, region?: string): Promise<string>;
  redactor: Redactor;
}

export interface ResolveOptions {
  /** What becomes a process argument is readable by everyone on the machine: `${env:…}` and `${secret:…}` are refused. */
  publicOnly?: boolean;
}

/** `${env:NAME}`, `${secret:ID#key}`, `${release:id|version|url}`, `${rollout:id|version|application}`. */
export class References {
  readonly #deps: ReferenceDeps;

  constructor(deps: ReferenceDeps) {
    this.#deps = deps;
  }

  /**
   * A copy of `value` with every reference in its strings replaced; keys are left alone. What came from the
   * environment or a secret is known to the redactor from here on.
   * @throws ApplicationFailure `NotPermitted` for a name that the worker does not list, `Invalid` for one without value
   */
  async resolve(value: Json, subject: Subject, options: ResolveOptions = {}): Promise<Json> {
    if (typeof value === 'string') return this.resolveText(value, subject, options);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) {
      return Promise.all(value.map((entry) => this.resolve(entry, subject, options)));
    }
    const entries = Object.entries(value).map(
      async ([key, entry]) => [key, await this.resolve(entry, subject, options)] as const,
    );
    return Object.fromEntries(await Promise.all(entries));
  }

  /** As `resolve`, for one string. */
  async resolveText(text: string, subject: Subject, options: ResolveOptions = {}): Promise<string> {
    const found = [...text.matchAll(REFERENCE)];
    const values = await Promise.all(
      found.map(([whole, kind = '', name = '']) => this.#lookUp({ whole, kind, name }, subject, options)),
    );
    return text.replace(REFERENCE, () => values.shift() ?? '');
  }

  async #lookUp(reference: Reference, subject: Subject, options: ResolveOptions): Promise<string> {
    const { whole, kind, name } = reference;
    if (kind === 'release') return releaseField(reference, subject);
    if (kind === 'rollout') return rolloutField(reference, subject);
    if (options.publicOnly) {
      throw notPermitted(
        `${subject.step}: ${whole} would become a process argument, which everyone on the machine can read. Let the program read it from its own environment or store.`,
      );
    }
    this.#requireListed(reference, subject);
    return kind === 'env' ? this.#readEnv(whole, name, subject) : this.#readSecret(name);
  }

  #requireListed({ whole, kind, name }: Reference, subject: Subject): void {
    const names = kind === 'secret' ? [name, splitSecret(name).id] : [name];
    if (names.some((one) => this.#deps.allowed.includes(one))) return;
    throw notPermitted(
      `${subject.step}: the worker does not allow ${whole}. Add "${name}" to HEADGATE_ALLOWED_REFERENCES of the worker and start it again.`,
    );
  }

  #readEnv(whole: string, name: string, subject: Subject): string {
    const value = this.#deps.env[name];
    if (value === undefined || value === '') {
      throw invalid(
        `${subject.step}: ${whole} has no value. Set ${name} in the worker's environment and start the worker again.`,
      );
    }
    this.#deps.redactor.add(value);
    return value;
  }

  async #readSecret(name: string): Promise<string> {
    const { id, key, region } = splitSecret(name);
    const value = await this.#deps.readSecret(id, key, region);
    this.#deps.redactor.add(value);
    return value;
  }
}

interface Reference {
  whole: string;
  kind: string;
  name: string;
}

/** An ARN says its region. */
function splitSecret(name: string): { id: string; key?: string; region?: string } {
  const [id = '', key] = name.split('#', 2);
  const region = /^arn:[^:]*:secretsmanager:([^:]+):/.exec(id)?.[1];
  return { id, key, region };
}

function releaseField({ whole, name }: Reference, { release, step }: Subject): string {
  if (name !== 'id' && name !== 'version' && name !== 'url') {
    throw invalid(`${step}: ${whole} is unknown; expected release:id, release:version or release:url.`);
  }
  if (release) return release[name];
  throw invalid(
    `${step}: ${whole} has no value: no deploy of this stage has been looked at. Put a deploy step into the stage.`,
  );
}

function rolloutField({ whole, name }: Reference, { context, step }: Subject): string {
  if (name === 'id') return context.runId;
  if (name === 'version' || name === 'application') return context[name];
  throw invalid(`${step}: ${whole} is unknown; expected rollout:id, rollout:version or rollout:application.`);
}
