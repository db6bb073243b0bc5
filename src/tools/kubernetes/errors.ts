/** What an answer of the API server means for a rollout: is it worth repeating, and what would mend it. */
import { ApplicationFailure } from '@temporalio/common';
import { invalid } from '../../platform/failures.js';
import { GROUPS, type Kind } from './kinds.js';

export type KubernetesVerb = 'get' | 'list' | 'watch' | 'create' | 'patch';

/** One call, as the rules of RBAC name it. */
export interface KubernetesCall {
  verb: KubernetesVerb;
  kind: Kind;
  /** `log` of pods. */
  subresource?: 'log';
  namespace: string;
  name?: string;
  /** Context and address, for people. */
  cluster: string;
}

/** May be repeated. `status` is that of HTTP; absent when no answer came. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

/** What is said of an answer that is no success. */
export interface KubernetesReply {
  status: number;
  /** `NotFound`, `Expired`, … */
  reason?: string;
  message?: string;
}

const LONGEST_MESSAGE = 500;

/** The status that the API server answered with, if `error` is one of its answers. */
export function statusOfError(error: unknown): number | undefined {
  if (error instanceof KubernetesError) return error.status;
  if (!(error instanceof ApplicationFailure)) return undefined;
  const detail: unknown = error.details?.[0];
  if (typeof detail !== 'object' || detail === null || !('kubernetesStatus' in detail)) return undefined;
  return typeof detail.kubernetesStatus === 'number' ? detail.kubernetesStatus : undefined;
}

/** Somebody else changed the object between our reading and our writing. */
export function isConflict(error: unknown): boolean {
  return statusOfError(error) === 409;
}

/** The API server has forgotten where a watch or a list went on from. */
export function isExpired(error: unknown): boolean {
  return statusOfError(error) === 410;
}

/** A `test` of a JSON patch did not hold, or the object would not be valid. */
export function isUnprocessable(error: unknown): boolean {
  return statusOfError(error) === 422;
}

/** The failure to throw for an answer. The API server repeats no secret value in a message. */
export function describeReply(call: KubernetesCall, reply: KubernetesReply): Error {
  const what = describeCall(call);
  const { status } = reply;
  const said = reply.message ? `: ${reply.message.slice(0, LONGEST_MESSAGE)}` : '';
  if (status === 401) {
    return new KubernetesError(
      `${what}: the worker's credentials for this cluster are unknown or have expired. Renew them in the worker's kubeconfig.`,
      status,
    );
  }
  if (status === 403) return invalid(describeForbidden(call, said), { kubernetesStatus: status });
  if (status === 404) return invalid(describeMissing(call, said), { kubernetesStatus: status });
  if (status === 409) {
    return new KubernetesError(
      `${what}: somebody else changed it meanwhile, or made it first${said}`,
      status,
    );
  }
  if (status === 410) {
    return new KubernetesError(`${what}: what it goes on from has been forgotten by the API server`, status);
  }
  if (status === 429 || status >= 500) {
    return new KubernetesError(`${what}: the API server is busy or unwell (${status})${said}`, status);
  }
  return invalid(
    `${what}: the API server refused it (${status} ${reply.reason ?? 'without a reason'})${said}`,
    {
      kubernetesStatus: status,
    },
  );
}

/** The failure to throw when no answer came. `code` is Node's. */
export function describeSilence(call: KubernetesCall, code: string): Error {
  const what = describeCall(call);
  if (/CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code)) {
    return invalid(
      `${what}: the certificate of the API server is not trusted (${code}). Put its authority into certificate-authority of the worker's kubeconfig.`,
    );
  }
  if (code === 'ETIMEDOUT') return new KubernetesError(`${what}: the API server did not answer in time`);
  return new KubernetesError(
    `${what}: the API server cannot be reached (${code}). Check the network and the worker's kubeconfig.`,
  );
}

/** The failure to throw for an answer that none of the API server's can be. */
export function describeNonsense(call: KubernetesCall, found: string): Error {
  return new KubernetesError(
    `${describeCall(call)}: the answer is ${found}. Does something else answer in place of the API server?`,
  );
}

function describeCall(call: KubernetesCall): string {
  return `${call.verb} ${resourceOf(call)} ${call.namespace}/${call.name ?? ''} at ${call.cluster}`;
}

function resourceOf({ kind, subresource }: KubernetesCall): string {
  return subresource ? `${kind}/${subresource}` : kind;
}

function describeForbidden(call: KubernetesCall, said: string): string {
  const rule = `{ apiGroups: ["${GROUPS[call.kind].group}"], resources: ["${resourceOf(call)}"], verbs: ["${call.verb}"] }`;
  return `${describeCall(call)}: the worker's identity may not do this. Add to its Role in namespace ${call.namespace} the rule ${rule}${said}`;
}

function describeMissing(call: KubernetesCall, said: string): string {
  const look = `kubectl -n ${call.namespace} get ${call.kind}`;
  return `${describeCall(call)}: there is no such thing${said}. Check namespace, name and context in the plan; what is there shows: ${look}`;
}
