/** What a `git` step finds: what it would commit, tag and push, and whether anything is in its way. Read only. */
import type { GitFound, GitInput, Look } from '../../contract/activities.js';
import { digestJson } from '../../plan/canonical.js';
import { refused } from '../../platform/failures.js';
import type { Draft, RemoteRefs } from '../../tools/git/index.js';
import { renderMessage } from './message.js';
import { type GitDeps, type GitWork, isOurs, openGit, short } from './step.js';

const MOST_NAMED = 5;

interface Seen {
  branch: string;
  head: string;
  remote: RemoteRefs;
  /** A commit of an earlier attempt that has not been pushed. */
  earlier: string | null;
  draft: Draft;
  /** Whether the tag still has to be made or pushed. */
  tags: boolean;
}

export async function lookGit(deps: GitDeps, input: GitInput, signal: AbortSignal): Promise<Look<GitFound>> {
  const work = await openGit(deps, input, signal);
  const template = await work.readTemplate();
  await renderMessage(template, { file: input.step.config.messageFile, resolve: work.resolve });
  const seen = await see(work);
  const { branch, head, remote, draft } = seen;
  const found = {
    branch,
    head,
    remoteHead: remote.head,
    tagged: remote.tag?.commit ?? null,
    tree: draft.tree,
    templateSha256: digestTemplate(template),
  };
  const changes = describeChanges(work, seen);
  return {
    found,
    changes,
    warnings: await listWarnings(work, seen),
    effect: changes.length === 0 ? 'none' : 'detectable',
    undo: describeUndo(work, input, seen),
    estimateMs: 5_000,
    digest: digestJson({ ...found, paths: work.paths, tag: work.tag, remote: work.tree.remote }),
  };
}

export function digestTemplate(template: string): string {
  return digestJson({ template });
}

async function see(work: GitWork): Promise<Seen> {
  const { tree, paths, tag } = work;
  const branch = await requireBranch(work);
  const head = await tree.commitAt('HEAD');
  if (head === null) throw refused(`${tree.directory} has no commit yet: ${branch} is empty.`);
  const remote = await tree.readRemote(branch, tag);
  await requireNotBehind(work, branch, head, remote.head);
  const isAhead = paths.length > 0 && head !== remote.head;
  const earlier = isAhead ? await tree.findCommit(work.marks, head, remote.head) : null;
  const draft =
    earlier || paths.length === 0
      ? { tree: (await tree.readCommit(head)).tree, files: [], missing: [] }
      : await tree.draft(paths, head);
  const target = draft.files.length > 0 ? null : (earlier ?? head);
  return { branch, head, remote, earlier, draft, tags: await needsTag(work, remote, target) };
}

async function requireBranch({ tree, paths }: GitWork): Promise<string> {
  const branch = await tree.branch();
  if (branch === null) {
    throw refused(
      `${tree.directory} is on no branch (detached HEAD). Switch to the one that is pushed: git -C ${tree.directory} switch BRANCH`,
    );
  }
  const underway = paths.length > 0 ? tree.underway() : undefined;
  if (underway === undefined) return branch;
  throw refused(
    `A ${underway} is under way in ${tree.directory}. Finish it, or give it up: git -C ${tree.directory} ${underway} --abort`,
  );
}

async function requireNotBehind(
  { tree, place }: GitWork,
  branch: string,
  head: string,
  remote: string | null,
) {
  if (remote === null || remote === head || (await tree.isAncestor(remote, head))) return;
  throw refused(
    `${place(branch)} is at ${short(remote)}, which ${tree.directory} does not have. Pull first: git -C ${tree.directory} pull ${tree.remote} ${branch}`,
  );
}

/** @throws ApplicationFailure `Refused` when the tag is somewhere else, or somebody else made it here */
async function needsTag(work: GitWork, { tag: there }: RemoteRefs, target: string | null): Promise<boolean> {
  const { tree, tag } = work;
  if (tag === undefined) return false;
  if (there) {
    if (there.commit === target || (await isOurs(work, there))) return false;
    const wanted = target === null ? 'the commit that this step would make' : short(target);
    throw refused(
      `Tag ${tag} is at ${short(there.commit)} at ${tree.remote} already, not at ${wanted}. A published tag is never moved: name another tag in the plan.`,
    );
  }
  const here = await tree.localTag(tag);
  if (here === null || (await isOurs(work, here))) return true;
  throw refused(
    `Tag ${tag} is in ${tree.directory} already, at ${short(here.commit)}, and not at ${tree.remote}. This step makes it: git -C ${tree.directory} tag -d ${tag}`,
  );
}

function describeChanges({ tree, place, paths, tag }: GitWork, seen: Seen): string[] {
  const { branch, head, earlier, draft, tags } = seen;
  const count = draft.files.length;
  const commits = count > 0 || earlier !== null;
  const where = count > 0 ? 'that commit' : short(earlier ?? head);
  return [
    ...(count > 0 ? [`commit ${paths.join(', ')}: ${count} ${count === 1 ? 'file' : 'files'} changed`] : []),
    ...(earlier ? [`commit ${short(earlier)} of an earlier attempt is not pushed yet`] : []),
    ...(tags ? [`tag ${tag} at ${where}`] : []),
    ...(commits ? [`push to ${place(branch)}`] : []),
    ...(tags && !commits ? [`push ${tag} to ${tree.remote}`] : []),
  ];
}

function describeUndo({ tree, place, paths, tag }: GitWork, { step }: GitInput, { branch }: Seen) {
  const stays = tag === undefined ? '' : '; a published tag stays';
  if (paths.length > 0) return `revert commit, pushed to ${place(branch)}${stays}`;
  return step.onRollback === 'revert'
    ? `tag ${tag} deleted at ${tree.remote}, if it is still ours`
    : undefined;
}

async function listWarnings(work: GitWork, seen: Seen): Promise<string[]> {
  const { tree, paths } = work;
  const { branch, head, remote, earlier, draft } = seen;
  const commits = draft.files.length > 0 || earlier !== null;
  const unchanged = earlier ? [] : paths.filter((path) => !draft.files.some(isBelow(path)));
  const ahead = head === remote.head ? 0 : await tree.countCommits(remote.head, head);
  const others = ahead - (earlier ? 1 : 0);
  return [
    ...unchanged.map((path) =>
      draft.missing.includes(path)
        ? `${path} does not exist: nothing to commit`
        : `${path}: nothing to commit`,
    ),
    ...(await warnOfChanges(work)),
    ...(remote.head === null && commits ? [`${work.place(branch)} is not there yet: it is created`] : []),
    ...(remote.head !== null && commits && others > 0
      ? [`${others} more commits of ${branch} are not at ${tree.remote} yet and are pushed along`]
      : []),
    ...(seen.tags && !commits && ahead > 0
      ? [`${short(head)} is not on ${work.place(branch)}: the tag publishes ${ahead} commits`]
      : []),
  ];
}

async function warnOfChanges({ tree, paths }: GitWork): Promise<string[]> {
  const own = paths.map((path) => isBelow(path, tree.prefix));
  const others = (await tree.changedFiles()).filter((file) => !own.some((holds) => holds(file)));
  if (others.length === 0) return [];
  const more = others.length > MOST_NAMED ? ` and ${others.length - MOST_NAMED} more` : '';
  const named = `${others.slice(0, MOST_NAMED).join(', ')}${more}`;
  return [`changed in ${tree.directory} and not part of this step, left as it is: ${named}`];
}

function isBelow(path: string, prefix = ''): (file: string) => boolean {
  const clean = path.replace(/\/+$/, '');
  const whole = clean === '.' ? prefix.replace(/\/$/, '') : `${prefix}${clean}`;
  return (file) => whole === '' || file === whole || file.startsWith(`${whole}/`);
}
