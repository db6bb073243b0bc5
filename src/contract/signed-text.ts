/**
 * What people sign with `ssh-keygen -Y sign -n headgate`. One line of JSON, keys in this order: whoever verifies it
 * makes the text anew from what he knows himself, so that a signature is good for nothing else. Pure.
 */

/** The signature's namespace: a signature that was made for git or a file is none for a rollout. */
export const SIGNATURE_NAMESPACE = 'headgate';

export interface SignedAnswer {
  answer: 'approve' | 'reject';
  application: string;
  runId: string;
  /** In full: `production/approval`. */
  gate: string;
  /** Of the evidence: the whole sha256, hex. */
  evidenceSha256: string;
  /** A principal of the allowed signers. */
  by: string;
  reason?: string;
}

export function textOfAnswer(signed: SignedAnswer): string {
  const { answer, application, runId, gate, evidenceSha256, by, reason = '' } = signed;
  return `${JSON.stringify({ v: 1, answer, application, runId, gate, evidenceSha256, by, reason })}\n`;
}

export interface SignedStart {
  application: string;
  version: string;
  /** sha256, hex. */
  planDigest: string;
  /** A principal of the allowed signers. */
  by: string;
  /** ISO 8601: when it was signed. */
  at: string;
}

export function textOfStart({ application, version, planDigest, by, at }: SignedStart): string {
  return `${JSON.stringify({ v: 1, answer: 'start', application, version, planDigest, by, at })}\n`;
}
