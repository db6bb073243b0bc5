/** Who has signed what, by the worker's own list of allowed signers: no plan can widen it. */
import type { HeadgateActivities } from '../contract/activities.js';
import { textOfAnswer, textOfStart } from '../contract/signed-text.js';
import { refused } from '../platform/failures.js';
import type { verifySignature } from '../platform/ssh-signatures.js';

export interface IdentityDeps {
  /** Path; absent when the worker has none. */
  allowedSigners: string | undefined;
  verifySignature: typeof verifySignature;
}

type IdentityActivities = Pick<HeadgateActivities, 'verifyStart' | 'verifyAnswer'>;

export function createIdentityActivities({ allowedSigners, verifySignature: verify }: IdentityDeps) {
  const list = (): string => {
    if (allowedSigners !== undefined) return allowedSigners;
    throw refused(
      'The plan asks for signed approvals, and this worker knows no signers. Name a file of allowed signers (ssh-keygen) in HEADGATE_ALLOWED_SIGNERS of the worker.',
    );
  };
  return {
    async verifyStart({ signed }) {
      const path = list();
      if (!signed) return {};
      const { signature, ...start } = signed;
      const verdict = await verify(path, { by: start.by, text: textOfStart(start), signature });
      if ('key' in verdict) return verdict;
      throw refused(
        `The start is not signed by ${start.by}: ${verdict.why}. Sign it with a key that the worker's allowed signers list for that name.`,
      );
    },
    async verifyAnswer({ answer, signature }) {
      return verify(list(), { by: answer.by, text: textOfAnswer(answer), signature });
    },
  } satisfies IdentityActivities;
}
