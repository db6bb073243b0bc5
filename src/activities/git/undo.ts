/**
 * The way back of a `git` step: what was pushed is taken back by a commit of its own, what was not is taken out of
 * the branch. Nobody else's commit, tag or changed file is touched.
 */
import type { UndoResult } from '../../contract/activities.js';
import { shellLine } from '../../contract/mend.js';
import { conflict } from '../../platform/failures.js';
import type { RemoteRefs } from '../../tools/git/index.js';
import { withTrailers } from './message.js';
import { type GitCall, type GitDeps, type GitWork, isOurs, isOursAtRemote, openGit, short } from './step.js';

/** How often somebody else may push in between before we leave it to the next attempt. */
const MOST_ROUNDS = 5;

interface Done {
  text: string;
  changed: boolean;
}

/** @throws ApplicationFailure `Conflict` when others have built on what was committed */
export async function undoGit(
  deps: GitDeps,
  input: GitCall & { deleteTag: boolean },
  signal: AbortSignal,
): Promise<UndoResult> {
  const work = await openGit(deps, input, signal);
  const remote = await work.tree.readRemote(input.base.branch, work.tag);
  const done = [
    ...(work.paths.length > 0 ? [await undoCommit(work, input, remote)] : []),
    ...(work.tag === undefined ? [] : [await undoTag(work, work.tag, remote, input.deleteTag)]),
  ];
  return { summary: done.map(({ text }) => text).join('; '), changed: done.some(({ changed }) => changed) };
}

async function undoCommit(work: GitWork, input: GitCall, remote: RemoteRefs): Promise<Done> {
  const published = await findPublished(work, { ...input.base, remoteHead: null }, remote);
  return published ? revertPublished(work, input, published) : takeBackUnpushed(work, input.base);
}

/** Our commit, where it is at the remote's branch beyond `base.remoteHead`. */
export async function findPublished(
  { tree, marks }: GitWork,
  base: Pick<GitCall['base'], 'branch' | 'remoteHead'>,
  { head }: RemoteRefs,
): Promise<string | null> {
  if (head === null) return null;
  if ((await tree.commitAt(head)) === null) await tree.fetchObjects([`refs/heads/${base.branch}`]);
  return tree.findCommit(marks, head, base.remoteHead);
}

/** As long as nobody has committed on top: then branch and index are as before, and the changed files stay. */
export async function takeBackUnpushed(work: GitWork, base: GitCall['base']): Promise<Done> {
  const { tree, paths, place } = work;
  const ref = `refs/heads/${base.branch}`;
  const unpushed = (await tree.commitAt(ref)) && (await tree.findCommit(work.marks, ref, base.remoteHead));
  if (!unpushed) return { text: `${place(base.branch)} has nothing of this step`, changed: false };
  const { parent } = await tree.readCommit(unpushed);
  const isOnIt = (await tree.branch()) === base.branch;
  if (parent === null || !(await tree.moveBranch(base.branch, unpushed, parent))) {
    return {
      text: `commit ${short(unpushed)} is not at ${place(base.branch)} and is left in ${base.branch} of ${tree.directory}, below others`,
      changed: false,
    };
  }
  if (isOnIt) await tree.unstage(paths);
  return {
    text: `commit ${short(unpushed)} is not at ${place(base.branch)} and is taken back here; the changed files stand as before`,
    changed: true,
  };
}

async function revertPublished(work: GitWork, input: GitCall, published: string): Promise<Done> {
  const { tree, place } = work;
  const { branch } = input.base;
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const { head: tip } = await tree.readRemote(branch, undefined);
    if (tip === null)
      return { text: `${place(branch)} is gone, and with it what was pushed`, changed: false };
    if ((await tree.commitAt(tip)) === null) await tree.fetchObjects([`refs/heads/${branch}`]);
    const already = await tree.findCommit([`This reverts commit ${published}.`], tip, published);
    if (already) {
      const text = `${short(published)} is taken back at ${place(branch)} by ${short(already)}`;
      return { text: `${text}${await follow(work, branch, tip)}`, changed: false };
    }
    const made = await tree.revert(published, tip, await revertMessage(work, input, published));
    if (made === 'conflict') throw builtOn(work, branch, published, tip);
    if (made === 'nothing') {
      return { text: `${place(branch)} no longer holds what ${short(published)} changed`, changed: false };
    }
    const outcome = await tree.push([`${made.commit}:refs/heads/${branch}`]);
    if (outcome.status === 'refused') {
      throw pushRefused(work, branch, published, outcome.reason);
    }
    if (outcome.status === 'movedOn') continue;
    const text = `${short(published)} is taken back at ${place(branch)} by ${short(made.commit)}`;
    return { text: `${text}${await follow(work, branch, made.commit)}`, changed: true };
  }
  throw new Error(`${place(branch)} was pushed to by others ${MOST_ROUNDS} times meanwhile.`);
}

async function revertMessage(work: GitWork, input: GitCall, published: string): Promise<string> {
  const { context, step } = input;
  const { subject } = await work.tree.readCommit(published);
  const text = [
    `Revert "${subject}"`,
    '',
    `This reverts commit ${published}.`,
    '',
    `Rollout ${context.application}/${context.runId} of version ${context.version} was taken back, and with it ${step.name}.`,
  ];
  return withTrailers(text.join('\n'), work.undoMarks);
}

/** The working tree goes along where it can; a changed file of somebody is never in danger. */
async function follow({ tree }: GitWork, branch: string, commit: string): Promise<string> {
  const here = await tree.commitAt(`refs/heads/${branch}`);
  if (here === commit) return '';
  const byHand = `bring it along with: git -C ${tree.directory} pull ${tree.remote} ${branch}`;
  if ((await tree.branch()) !== branch)
    return `, ${branch} is not checked out in ${tree.directory}; ${byHand}`;
  const stands = `, the working tree stands at ${here ? short(here) : 'nothing'}`;
  if (here === null || !(await tree.isAncestor(here, commit)))
    return `${stands} with commits of its own; ${byHand}`;
  const why = await tree.follow(commit);
  return why === undefined ? ', the working tree followed' : `${stands} (${why}); ${byHand}`;
}

function builtOn(work: GitWork, branch: string, published: string, tip: string) {
  return conflict({
    item: `commit ${short(published)} at ${work.place(branch)}`,
    found: `commits of others on top, up to ${short(tip)}, that change the same lines`,
    expected: 'a revert that applies',
    command: revertLine(work, branch, published),
  });
}

function pushRefused(work: GitWork, branch: string, published: string, reason: string) {
  return conflict({
    item: `commit ${short(published)} at ${work.place(branch)}`,
    found: `the commit that takes it back is refused: ${reason}`,
    expected: 'a push that is taken: lift the rule, or let somebody push who may',
    command: revertLine(work, branch, published),
  });
}

function revertLine({ tree }: GitWork, branch: string, published: string): string {
  const git = (...words: string[]) => shellLine(['git', '-C', tree.directory, ...words]);
  return [
    git('switch', branch),
    git('pull', tree.remote, branch),
    git('revert', '--no-edit', published),
    git('push', tree.remote, branch),
  ].join(' && ');
}

async function undoTag(
  work: GitWork,
  tag: string,
  { tag: there }: RemoteRefs,
  deleteTag: boolean,
): Promise<Done> {
  const { tree } = work;
  if (there === null) {
    const dropped = await dropLocal(work, tag);
    return {
      text: dropped ? `tag ${tag} was never pushed and is removed` : `tag ${tag} is not at ${tree.remote}`,
      changed: dropped,
    };
  }
  if (!(await isOursAtRemote(work, tag, there))) {
    return { text: `tag ${tag} at ${tree.remote} is not of this step and stays`, changed: false };
  }
  if (!deleteTag) return { text: `the published tag ${tag} stays`, changed: false };
  const outcome = await tree.dropRemoteTag(tag, there.object);
  if (outcome.status === 'refused') {
    throw conflict({
      item: `tag ${tag} at ${tree.remote}`,
      found: `it may not be deleted: ${outcome.reason}`,
      expected: 'no such tag',
      command: shellLine(['git', '-C', tree.directory, 'push', '--delete', tree.remote, tag]),
    });
  }
  if (outcome.status === 'movedOn') {
    return { text: `tag ${tag} at ${tree.remote} was moved by somebody and stays`, changed: false };
  }
  await dropLocal(work, tag);
  return { text: `tag ${tag} is deleted at ${tree.remote}`, changed: true };
}

async function dropLocal(work: GitWork, tag: string): Promise<boolean> {
  const here = await work.tree.localTag(tag);
  if (here === null || !(await isOurs(work, here))) return false;
  await work.tree.dropTag(tag, here.object);
  return true;
}
