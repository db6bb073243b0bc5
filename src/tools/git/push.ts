/** What `git push --porcelain` says. Pure. */
import { type GitReply, lastWords } from './call.js';

export type PushOutcome =
  /** `oneByOne`: the remote cannot take several refs as one. */
  | { status: 'done'; oneByOne?: true }
  /** Somebody else was quicker: the ref is not where it was. */
  | { status: 'movedOn'; reason: string }
  /** A rule of the remote or a hook forbids it. */
  | { status: 'refused'; reason: string };

/** Rejected by our own git, which knows what the remote has: `[rejected] (fetch first)`. */
const MOVED_ON = /non-fast-forward|fetch first|already exists|stale info|needs force|clobber|ref updated/;
/** By the remote, which was told an old value: another push came in between. */
const RACED = /cannot lock ref|failed to update ref|incorrect old value|fetch first|non-fast-forward/;

/** The connection broke: nobody knows what has arrived. */
const LOST = /fatal:|RPC failed|hung up|unexpected disconnect/;

/** @throws Error that may be repeated, when it is not known what has arrived */
export function parsePush(reply: GitReply): PushOutcome {
  if (reply.exitCode === 0) return { status: 'done' };
  const said = lastWords({ stderr: reply.stderr, stdout: '' });
  const rejections = reply.stdout.split('\n').flatMap((line) => {
    const [flag, , summary = ''] = line.split('\t');
    return flag === '!' ? [summary] : [];
  });
  // With --atomic every other ref is rejected too, for no reason of its own.
  const reasons = rejections.filter((summary) => !/atomic/.test(summary));
  const reason = reasons.join('; ');
  if (reasons.length > 0) {
    const isOurs = reasons.every((each) => each.startsWith('[rejected]'));
    if ((isOurs ? MOVED_ON : RACED).test(reason)) return { status: 'movedOn', reason };
    return { status: 'refused', reason: `${reason}: ${said}` };
  }
  // Of a whole that fails at the remote, the reason is told on the side.
  if (rejections.length > 0 && RACED.test(reply.stderr)) return { status: 'movedOn', reason: said };
  if (rejections.length > 0 || LOST.test(reply.stderr)) {
    throw new Error(`git push ended with ${reply.exitCode}: ${said}`);
  }
  return { status: 'refused', reason: `before anything was sent, by git or a pre-push hook: ${said}` };
}
