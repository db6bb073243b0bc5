/**
 * `git`: commits named paths, makes an annotated tag whose message carries what has been measured, pushes both.
 *
 * Commit and tag bear the rollout and the step in their message, so an attempt that follows a killed one finds what
 * is there already, here and at the remote, and does only the rest. A commit of ours always stands on the commit
 * that was looked at and holds what was looked at; one that does not is taken out of the branch before it is pushed.
 */
import { Context } from '@temporalio/activity';
import type { GitEffect, GitInput, HeadgateActivities, StepResult } from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import { drift, invalid } from '../../platform/failures.js';
import type { TagAt } from '../../tools/git/index.js';
import { withHeartbeat } from '../heartbeat.js';
import { digestTemplate, lookGit } from './look.js';
import { renderMessage, withTrailers } from './message.js';
import { type GitCall, type GitDeps, type GitWork, isOurs, isOursAtRemote, openGit, short } from './step.js';
import { findPublished, takeBackUnpushed, undoGit } from './undo.js';

type PushCall = GitCall & { results: StepResult[] };
type VerifyCall = GitCall & { effect: GitEffect };
type UndoCall = GitCall & { deleteTag: boolean };

export function createGitActivities(deps: GitDeps) {
  /** Hooks and remotes may take minutes, and a cancel comes with the heartbeats. */
  const beating = <T>(doing: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    withHeartbeat(() => ({ doing }), work);
  return {
    lookGit: (input: GitInput) => beating('looking', (signal) => lookGit(deps, input, signal)),
    pushGit: (input: PushCall) => beating('pushing', (signal) => pushGit(deps, input, signal)),
    verifyGit: (input: VerifyCall) => beating('reading back', (signal) => verifyGit(deps, input, signal)),
    undoGit: (input: UndoCall) => beating('taking back', (signal) => undoGit(deps, input, signal)),
  } satisfies Pick<HeadgateActivities, 'lookGit' | 'pushGit' | 'verifyGit' | 'undoGit'>;
}

async function pushGit(deps: GitDeps, input: PushCall, signal: AbortSignal): Promise<GitEffect> {
  const work = await openGit(deps, input, signal);
  const { tree, tag, resolve } = work;
  const { base, results } = input;
  const remote = await tree.readRemote(base.branch, tag);
  const hasMoved = remote.head !== base.remoteHead;
  const published = hasMoved ? await findPublished(work, base, remote) : null;
  // It never gets there without the commit that it points at.
  if (tag && remote.tag && (await isOursAtRemote(work, tag, remote.tag))) {
    return { commit: published ?? undefined, tag, head: remote.tag.commit };
  }
  if (hasMoved && published === null) {
    throw await movedOn(work, input, `is at ${remote.head ? short(remote.head) : 'nothing'}`);
  }
  const file = input.step.config.messageFile;
  const template = await work.readTemplate();
  if (base.templateSha256 !== undefined && digestTemplate(template) !== base.templateSha256) {
    throw drift(`${file} is not what was looked at. Nothing was committed.`, { item: file });
  }
  const text = await renderMessage(template, { file, results, resolve });
  const message = withTrailers(text, work.marks);
  const commit = published ?? (await ensureCommit(work, input, message)) ?? undefined;
  const head = commit ?? base.head;
  const object = tag && (await ensureTag(work, { tag, there: remote.tag, target: head }, message));
  await publish(work, input, { commit: published ? undefined : commit, object });
  return { commit, tag, head };
}

/** @returns null when there is nothing to commit */
async function ensureCommit(work: GitWork, input: PushCall, message: string): Promise<string | null> {
  const { tree, paths, marks } = work;
  const { base } = input;
  if (paths.length === 0) return null;
  const branch = `refs/heads/${base.branch}`;
  const found = await tree.findCommit(marks, branch, base.remoteHead);
  if (found) return checkCommit(work, input, found);
  const head = (await tree.branch()) === base.branch ? await tree.commitAt('HEAD') : null;
  if (head !== base.head) {
    throw drift(
      `${tree.directory} is not where it was looked at: expected ${base.branch} at ${short(base.head)}. Nothing was committed.`,
    );
  }
  const outcome = await tree.commit({ paths, parent: base.head, message, tree: base.tree });
  if (outcome.status === 'nothing') return null;
  if (outcome.status === 'changed') {
    throw drift(
      `${paths.join(', ')} in ${tree.directory} changed since they were looked at. Nothing was committed.`,
    );
  }
  const made = await tree.findCommit(marks, branch, base.remoteHead);
  if (made === null) {
    throw drift(
      `${tree.directory} left ${base.branch} while it was committed to, or a hook took Headgate's lines out of the message.`,
    );
  }
  return checkCommit(work, { ...input, base: { ...base, tree: outcome.tree } }, made);
}

/** Whoever commits in the same moment, and a hook that rewrites files, make of ours what nobody has looked at. */
async function checkCommit(work: GitWork, { base }: PushCall, commit: string): Promise<string> {
  const { tree } = work;
  const { parent, tree: content } = await tree.readCommit(commit);
  // Else it was there when the step was looked at again, after an attempt that could not push.
  const isNew = !(await tree.isAncestor(commit, base.head));
  if (isNew && parent !== base.head) {
    const left = await takeBackUnpushed(work, base);
    throw drift(`Somebody committed to ${base.branch} in ${tree.directory} at the same time. ${left.text}.`);
  }
  if (isNew && base.tree !== undefined && content !== base.tree) {
    const left = await takeBackUnpushed(work, base);
    throw invalid(
      `A hook of ${tree.directory} changed what is committed: it would not be what was looked at. ${left.text}. Run the hook before the rollout starts: git -C ${tree.directory} hook run pre-commit`,
    );
  }
  return commit;
}

/** @returns the tag's object; undefined when the tag is at the remote already */
async function ensureTag(
  work: GitWork,
  { tag, there, target }: { tag: string; there: TagAt | null; target: string },
  message: string,
): Promise<string | undefined> {
  const { tree } = work;
  if (there?.commit === target) return undefined;
  if (there) {
    const expected = `expected ${short(target)}`;
    throw drift(`Tag ${tag} has appeared at ${tree.remote}, at ${short(there.commit)}, ${expected}.`);
  }
  const here = await tree.localTag(tag);
  if (here && !(await isOurs(work, here))) {
    throw drift(`Tag ${tag} has appeared in ${tree.directory}, at ${short(here.commit)}.`);
  }
  if (here?.commit === target) return here.object;
  if (here) await tree.dropTag(tag, here.object);
  return tree.createTag(tag, target, message);
}

async function publish(
  work: GitWork,
  input: PushCall,
  { commit, object }: { commit?: string; object?: string },
): Promise<void> {
  const { tree, tag } = work;
  const { branch } = input.base;
  const refspecs = [
    ...(commit ? [`${commit}:refs/heads/${branch}`] : []),
    ...(object ? [`${object}:refs/tags/${tag}`] : []),
  ];
  if (refspecs.length === 0) return;
  const outcome = await tree.push(refspecs);
  if (outcome.status === 'movedOn') throw await movedOn(work, input, `rejects the push: ${outcome.reason}`);
  if (outcome.status === 'refused') {
    throw invalid(`The push of ${branch} to ${tree.remote} is refused: ${outcome.reason}`);
  }
  if (outcome.oneByOne) {
    Context.current().log.warn(`${tree.remote} takes no atomic push: the branch was pushed, then the tag`);
  }
}

async function movedOn(work: GitWork, { base }: PushCall, found: string) {
  const { tree, place } = work;
  const expected = base.remoteHead ? short(base.remoteHead) : 'nothing';
  const left = await takeBackUnpushed(work, base);
  return drift(
    `${place(base.branch)} moved on: it ${found}, expected ${expected}, which was looked at. ${left.text}. Pull, then start again: git -C ${tree.directory} pull ${tree.remote} ${base.branch}`,
  );
}

async function verifyGit(deps: GitDeps, input: VerifyCall, signal: AbortSignal): Promise<Measurement> {
  const startedAt = performance.now();
  const at = new Date().toISOString();
  const { tree, tag, place } = await openGit(deps, input, signal);
  const { effect, base } = input;
  const remote = await tree.readRemote(base.branch, tag);
  const holds = async (commit: string) => {
    if (remote.head === null || remote.head === commit) return remote.head === commit;
    if ((await tree.commitAt(remote.head)) === null) await tree.fetchObjects([`refs/heads/${base.branch}`]);
    return tree.isAncestor(commit, remote.head);
  };
  const facts: { text: string; ok: boolean }[] = [];
  if (effect.commit) {
    const ok = await holds(effect.commit);
    facts.push({ text: `${place(base.branch)} ${ok ? 'has' : 'lacks'} ${short(effect.commit)}`, ok });
  }
  if (effect.tag) {
    const found = remote.tag ? `is at ${short(remote.tag.commit)}` : 'is not there';
    const ok = remote.tag?.commit === effect.head;
    const expected = ok ? '' : `, expected ${short(effect.head)}`;
    facts.push({ text: `tag ${effect.tag} ${found} at ${tree.remote}${expected}`, ok });
  }
  return {
    probe: 'git',
    outcome: facts.every(({ ok }) => ok) ? 'pass' : 'fail',
    at,
    message: facts.map(({ text }) => text).join('; ') || 'nothing had to be committed or pushed',
    values: { branch: remote.head, tag: remote.tag?.commit ?? null },
    durationMs: Math.round(performance.now() - startedAt),
  };
}
