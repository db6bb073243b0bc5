/** `source`: an address that git may be given, and steps that a checkout without a working tree cannot serve. */
import { checkGitUrl, GIT_URL_FORMS, isCommitId, isRefName } from './git-url.js';
import type { PlanNode } from './node.js';
import { fullName, type PlanView } from './view.js';

export function lintSource(view: PlanView): void {
  const source = view.root.get('source');
  if (!source) return;
  lintAddress(view, source);
  lintRef(view, source);
  for (const step of view.stages.flatMap(({ steps }) => steps)) {
    if (step.kind === 'git') {
      requireOwnPlace(view, step.config?.get('directory') ?? step.config, {
        isThere: step.config?.has('directory') ?? false,
        what: `${fullName(step)} commits into a working tree, and with a source there is none: each worker has files of one commit, and no repository.`,
        fix: 'Name a working tree of the worker: directory: "${env:CHECKOUT}", or an absolute path.',
      });
    }
    const file = step.kind === 'config' ? step.config?.at('local', 'file') : undefined;
    requireOwnPlace(view, file, {
      isThere: true,
      what: `${fullName(step)} would change a file of the source, which other rollouts of the same commit share.`,
      fix: 'Name the file of the application: an absolute path, or "${env:DOTENV_FILE}".',
    });
  }
}

function lintAddress({ faults }: PlanView, source: PlanNode): void {
  const git = source.get('git');
  const fault = git && checkGitUrl(git.text() ?? '');
  // A value of the wrong type has been answered already.
  if (!git || git.text() === undefined || !fault) return;
  faults.add({
    code: 'badUrl',
    path: git.path,
    message: `The address of the source ${fault.why}.`,
    expected: `the address of a repository that anybody may read in this file: ${GIT_URL_FORMS}`,
    fix: fault.fix,
  });
}

function lintRef({ faults }: PlanView, source: PlanNode): void {
  const ref = source.get('ref');
  const text = ref?.text();
  if (!ref || text === undefined || isCommitId(text) || isRefName(text)) return;
  faults.add({
    code: 'badName',
    path: ref.path,
    message: `${JSON.stringify(text)} cannot be a branch, a tag or a commit.`,
    expected: 'a branch, a tag or a whole commit id',
    found: text,
    fix: 'Write it as git shows it, such as main, v1.0.1 or refs/tags/v1.0.1; of references only ${var:…} is possible.',
  });
}

/** A place on the worker that is not the checkout: absolute, or what a reference leads to. */
function requireOwnPlace(
  { faults }: PlanView,
  node: PlanNode | undefined,
  { isThere, what, fix }: { isThere: boolean; what: string; fix: string },
): void {
  if (!node) return;
  const text = isThere ? node.text() : '.';
  if (text === undefined || /^(\/|\$\{)/.test(text) || faults.covers(node.path)) return;
  faults.add({
    code: 'noWorkingTree',
    path: node.path,
    message: what,
    expected: 'a place of its own on the worker',
    found: text,
    fix,
  });
}
