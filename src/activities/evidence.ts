/** What an approval is bound to: everything that was found, in one canonical form, and its digest. */
import type { EvidenceInput, HeadgateActivities } from '../contract/activities.js';
import { fitLines } from '../contract/fit.js';
import { digestJson } from '../plan/canonical.js';
import type { ArtifactStore } from '../platform/artifacts.js';

const DIGEST_LENGTH = 8;
/** Of each list; the artifact has all that was handed over. */
const LARGEST_LIST = 2560;

export interface EvidenceDeps {
  artifacts: Pick<ArtifactStore, 'write' | 'cite'>;
}

export function createEvidenceActivities({ artifacts }: EvidenceDeps) {
  return {
    async composeEvidence(input) {
      const canonical = canonicalEvidence(input);
      const changes = input.looks.flatMap(({ step, look }) => look.changes.map((line) => `${step}: ${line}`));
      const warnings = input.looks.flatMap(({ step, look }) =>
        look.warnings.map((line) => `${step}: ${line}`),
      );
      const sha256 = digestJson(canonical);
      const digest = digestEvidence(input);
      const name = `evidence-${input.gate.replaceAll('/', '-')}.json`;
      const whole = { digest, bound: canonical, changes, warnings, looks: input.looks };
      await artifacts.write(input.context, name, `${JSON.stringify(whole, null, 2)}\n`);
      return {
        gate: input.gate,
        digest,
        sha256,
        changes: fitLines(changes, LARGEST_LIST),
        warnings: fitLines(warnings, LARGEST_LIST),
        results: fitLines(input.results, LARGEST_LIST),
        compensations: fitLines(input.compensations, LARGEST_LIST),
        artifact: artifacts.cite(input.context, name),
      };
    },
  } satisfies Pick<HeadgateActivities, 'composeEvidence'>;
}

/** First 8 hex digits of the sha256 over the canonical JSON of what an approval is bound to. */
export function digestEvidence(input: EvidenceInput): string {
  return digestJson(canonicalEvidence(input)).slice(0, DIGEST_LENGTH);
}

/** An approval of one run, gate and plan is none of another, and one that has been voided none of what is asked then. */
function canonicalEvidence({ context, gate, approval, planDigest, overrides, ...found }: EvidenceInput) {
  return {
    application: context.application,
    version: context.version,
    runId: context.runId,
    gate,
    covers: approval.covers,
    planDigest,
    overrides,
    looks: Object.fromEntries(found.looks.map(({ step, look }) => [step, look.digest])),
    results: found.results,
    compensations: found.compensations,
    ...(found.voided ? { voided: found.voided } : {}),
  };
}
