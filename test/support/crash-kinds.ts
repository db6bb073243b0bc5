/** How each step kind is killed. A kind without an entry here does not compile, and fails the matrix by its name. */
import type { StepKind } from '../../src/plan/resolved.js';
import type { Subject } from './crash-kind.js';
import { config } from './crash-kind-config.js';
import { deploy } from './crash-kind-deploy.js';
import { approval, check, loadTest, monitor, writingCheck } from './crash-kind-gates.js';
import { git } from './crash-kind-git.js';
import { githubDeploy, unmarkedGithubDeploy } from './crash-kind-github.js';
import { sshDeploy, stackDeploy } from './crash-kind-hosts.js';
import { infra } from './crash-kind-infra.js';
import { blueGreen, rolling } from './crash-kind-kubernetes.js';
import { reboot } from './crash-kind-reboot.js';
import { brokenVerifyRun, run, unverifiedRun } from './crash-kind-run.js';
import { secret } from './crash-kind-secret.js';

export const CRASH_KINDS: { [Kind in StepKind]: Subject[] } = {
  config: [config],
  secret: [secret],
  infra: [infra],
  reboot: [reboot],
  git: [git],
  deploy: [deploy, githubDeploy, unmarkedGithubDeploy, rolling, blueGreen, sshDeploy, stackDeploy],
  check: [check, writingCheck],
  loadTest: [loadTest],
  approval: [approval],
  monitor: [monitor],
  run: [run, unverifiedRun, brokenVerifyRun],
};
