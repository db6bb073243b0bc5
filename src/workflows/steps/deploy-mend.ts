/** How a person brings back by hand what was live before, with the tool that the target is driven by. Pure. */
import type { DeployFound } from '../../contract/activities.js';
import { programLine, shellLine } from '../../contract/mend.js';
import type { DeployStep, Json } from '../../plan/resolved.js';
import type { Deed } from './step-verbs.js';

type Options = DeployStep['config']['targetConfig'];

/** One line. Options may still hold references. */
export function mendDeploy(step: DeployStep, { live }: Pick<DeployFound, 'live'>, deed: Deed): string {
  const { target, targetConfig: options, strategy } = step.config;
  switch (target) {
    case 'kubernetes':
      return mendKubernetes(options, strategy, live);
    case 'githubActions':
      return mendWorkflow(options, live.version);
    case 'ssh':
      return `ssh ${textOf(options.host)} ${quote(`cd ${quote(textOf(options.directory))} && git checkout --detach ${live.id}`)} and restart what runs there`;
    case 'dockerStack':
      return `docker stack services ${textOf(options.stack)}, and for each that is not ${live.version}: docker service rollback SERVICE`;
    default:
      return deed.isGone
        ? programLine(step, 'prepare', { ...deed, version: live.version, release: '' })
        : programLine(step, options.restore ? 'restore' : 'promote', { ...deed, release: live.id });
  }
}

/** A release's id is that of its Deployment, an @ and a digest. */
function mendKubernetes(options: Options, strategy: string, { id, version }: DeployFound['live']): string {
  const context = options.context === undefined ? '' : ` --context ${textOf(options.context)}`;
  const kubectl = `kubectl${context} -n ${textOf(options.namespace)}`;
  const [deployment = ''] = id.split('@');
  if (strategy === 'rolling') {
    return `${kubectl} rollout history deployment/${deployment}, then ${kubectl} rollout undo deployment/${deployment} --to-revision=N with the revision of ${version}`;
  }
  return `${kubectl} edit service ${textOf(options.service)}: its selector has to be what ${kubectl} get deployment ${deployment} -o jsonpath='{.spec.template.metadata.labels}' says`;
}

function mendWorkflow(options: Options, version: string): string {
  const { rollback } = options;
  const declared = isMap(rollback) ? rollback : {};
  const inputs = {
    ...(isMap(options.inputs) ? options.inputs : {}),
    ...(isMap(declared.inputs) ? declared.inputs : {}),
  };
  const fields = Object.entries(inputs).map(
    ([name, value]) => ` --field ${quote(`${name}=${textOf(value)}`)}`,
  );
  const ref = declared.ref === undefined ? version : textOf(declared.ref);
  return `gh workflow run ${textOf(options.workflow)} --repo ${textOf(options.repository)} --ref ${ref}${fields.join('')}`;
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function isMap(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quote(word: string): string {
  return shellLine([word]);
}
