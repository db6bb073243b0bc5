/** What terraform's diagnostics mean for whoever repeats or mends it. Pure. */
import { invalid, notPermitted } from '../../platform/failures.js';
import { type Diagnostic, oneLine } from './output.js';

const LONGEST_DETAIL = 400;
const MOST_SHOWN = 3;

const NOT_PERMITTED =
  /no valid credential|NoCredentialProviders|failed to refresh cached credentials|could not find default credentials|ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AccessDenied|UnauthorizedOperation|not authorized|\bForbidden\b|StatusCode: 40[13]\b/i;
const PASSING =
  /timed? ?out|deadline exceeded|connection (refused|reset)|ECONN|no such host|temporary failure|TLS handshake|\bEOF\b|throttl|rate exceeded|RequestLimitExceeded|too many requests|service ?unavailable|internal server error|StatusCode: 5\d\d/i;
const LOCK_FILE = /lock file is read-only/;
const OTHER_PLATFORM = /doesn't match any of the checksums/;

export interface Failing {
  /** `terraform cannot plan infrastructure/aws` */
  what: string;
  tool: string;
  /** Of the configuration, as the plan names it: file names are shown below it. */
  folder: string;
}

/** A failure that says where and why; one that passes by itself may be repeated. */
export function explain(failing: Failing, diagnostics: Diagnostic[], otherwise: string): Error {
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  // Terraform says so of every resource that waited for the one that failed.
  const causes = errors.filter(({ summary }) => summary !== 'execution halted');
  const shown = causes.slice(0, MOST_SHOWN).map((each) => describe(each, failing));
  if (causes.length > shown.length) shown.push(`and ${causes.length - shown.length} more`);
  const text = shown.length > 0 ? shown.join('; ') : oneLine(otherwise) || 'it says nothing';
  const message = `${failing.what}: ${text}${adviceFor(text, failing)}`;
  if (causes.length > 0 && causes.every(isOfConfiguration)) return invalid(message);
  if (NOT_PERMITTED.test(text)) return notPermitted(message);
  if (PASSING.test(text)) return new Error(message);
  return invalid(message);
}

/** The provider's own errors name the resource. */
function isOfConfiguration({ range, address }: Diagnostic): boolean {
  return range !== undefined && address === undefined;
}

function describe({ summary, detail, address, range }: Diagnostic, { folder }: Failing): string {
  const place = range ? `${folder}/${range.filename}:${range.start.line}: ` : '';
  const resource = address ? `${address}: ` : '';
  const more = oneLine(detail);
  const clipped = more.length > LONGEST_DETAIL ? `${more.slice(0, LONGEST_DETAIL - 1)}…` : more;
  return `${place}${resource}${oneLine(summary)}${clipped ? `: ${clipped}` : ''}`;
}

function adviceFor(text: string, { tool, folder }: Failing): string {
  if (LOCK_FILE.test(text)) {
    return ` The worker writes nothing into the plan's folder, and what was approved has to be applied with the same providers: run "${tool} -chdir=${folder} init" and commit .terraform.lock.hcl.`;
  }
  if (OTHER_PLATFORM.test(text)) {
    return ` Run "${tool} -chdir=${folder} providers lock" with -platform for every platform that a worker runs on.`;
  }
  return '';
}
