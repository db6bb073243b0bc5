/**
 * A plan as `show -json` prints it, made fit to be looked at: nothing sensitive is left in it.
 * https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
 */
import { z } from 'zod';
import { invalid } from '../../platform/failures.js';
import { describeChange, type InfraAction } from './lines.js';
import { configModule, configurationOf, stateModule, stateOf } from './state.js';
import { mapStrings, mask, unknownPaths } from './values.js';

export interface PlannedChange {
  /** `aws_db_parameter_group.main`, `output.endpoint`; of what terraform has set aside: `… (deposed 1a2b3c4d)`. */
  address: string;
  /** The address that `allow` has to name; of a set aside one that of its resource. */
  resource: string;
  kind: 'resource' | 'output';
  action: InfraAction;
  reason?: string;
  /** Masked; what is unknown is missing. */
  before: unknown;
  after: unknown;
  /** Paths into `after`. */
  unknown: string[];
  line: string;
}

export interface TerraformPlan {
  changes: PlannedChange[];
  /** What was changed outside of terraform since it wrote its state, a line each. */
  drift: string[];
  /** Applied, it takes effect with the next reboot only. */
  pendingReboot: string[];
  /** What the state holds, by address: what the configuration sets, masked. */
  state: Record<string, unknown>;
  /** Input variables that the configuration declares. */
  variables: Record<string, { sensitive: boolean }>;
  /** Everything that a target may name. */
  addresses: string[];
}

const changeSchema = z.object({
  actions: z.array(z.string()),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  after_unknown: z.unknown().optional(),
  before_sensitive: z.unknown().optional(),
  after_sensitive: z.unknown().optional(),
  replace_paths: z.array(z.array(z.union([z.string(), z.number()]))).nullish(),
  importing: z.unknown().optional(),
});

const resourceChange = z.object({
  address: z.string(),
  previous_address: z.string().optional(),
  deposed: z.string().optional(),
  mode: z.string(),
  type: z.string(),
  action_reason: z.string().optional(),
  change: changeSchema,
});

const planSchema = z.object({
  resource_changes: z.array(resourceChange).nullish(),
  resource_drift: z.array(resourceChange).nullish(),
  output_changes: z.record(z.string(), changeSchema).nullish(),
  prior_state: z.object({ values: z.object({ root_module: stateModule }).nullish() }).nullish(),
  configuration: z.object({ root_module: configModule }),
});

type ResourceChange = z.infer<typeof resourceChange>;
type Change = z.infer<typeof changeSchema>;

/** Its text is in no message: it holds secrets. */
function parsePlan(json: string): z.infer<typeof planSchema> {
  let plan: unknown;
  try {
    plan = JSON.parse(json);
  } catch {
    throw invalid('The plan that terraform shows is cut off, or is not JSON.');
  }
  const { data, error } = planSchema.safeParse(plan);
  if (data) return data;
  const places = error.issues.slice(0, 3).map(({ path }) => path.join('.') || 'all of it');
  throw invalid(`The plan that terraform shows is none that can be read: ${places.join(', ')}.`);
}

/**
 * `redact` masks what the worker knows to be secret and the configuration does not mark as sensitive.
 * @throws ApplicationFailure `Invalid` when it is no plan
 */
export function readPlan(json: string, redact: (text: string) => string): TerraformPlan {
  const plan = parsePlan(json);
  const all = (plan.resource_changes ?? []).filter(({ mode }) => mode === 'managed');
  const { variables, attributes, places } = configurationOf(plan.configuration.root_module);
  const state = stateOf(plan.prior_state?.values?.root_module, attributes, redact);
  const outputs = Object.entries(plan.output_changes ?? {});
  return {
    changes: [
      ...all.flatMap((each) => readResource(each, redact)),
      ...outputs.flatMap(([name, change]) => readOutput(name, change, redact)),
    ],
    drift: (plan.resource_drift ?? []).flatMap((each) => readResource(each, redact)).map(({ line }) => line),
    pendingReboot: all.filter(waitsForReboot).map(({ address }) => address),
    state,
    variables,
    addresses: [...new Set([...places, ...Object.keys(state), ...all.map(({ address }) => address)])],
  };
}

function readResource(resource: ResourceChange, redact: (text: string) => string): PlannedChange[] {
  const { address, previous_address: from, deposed, change } = resource;
  const action = actionOf(resource);
  if (!action) return [];
  const shown = {
    address: deposed ? `${address} (deposed ${deposed})` : address,
    action,
    reason: resource.action_reason,
    ...readValues(change, redact, action === 'update'),
  };
  const forcedBy = (change.replace_paths ?? []).map((path) => path.join('.'));
  const line = describeChange({ ...shown, forcedBy, from: from === address ? undefined : from });
  return [{ ...shown, resource: address, kind: 'resource', line }];
}

/**
 * Of an output only what becomes of it counts, not its value: that follows from the resources, and one that holds the
 * time of planning would look like drift for ever.
 */
function readOutput(name: string, change: Change, redact: (text: string) => string): PlannedChange[] {
  const action = ACTIONS[change.actions.join(' ')];
  if (!action) return [];
  const address = `output.${name}`;
  const values = readValues(change, redact, action === 'update');
  const line = describeChange({ address, action, ...values, forcedBy: [] });
  return [
    { address, resource: address, kind: 'output', action, before: null, after: null, unknown: [], line },
  ];
}

/** Of an update a sensitive value says whether it changes; what is created has no former one. */
function readValues(change: Change, redact: (text: string) => string, isUpdate: boolean) {
  const marks = [change.before_sensitive, change.after_sensitive];
  const former = isUpdate ? { value: change.before } : undefined;
  return {
    before: mapStrings(mask(change.before, marks), redact),
    after: mapStrings(mask(change.after, marks, former), redact),
    unknown: unknownPaths(change.after_unknown),
  };
}

const ACTIONS: Record<string, InfraAction | undefined> = {
  create: 'create',
  update: 'update',
  delete: 'delete',
  'delete create': 'replace',
  'create delete': 'replace',
  forget: 'forget',
  // Removed from the state, then created beside it.
  'create forget': 'replace',
};

function actionOf({ address, previous_address: from, change }: ResourceChange): InfraAction | undefined {
  const action = ACTIONS[change.actions.join(' ')];
  if (action) return action;
  // An unknown word of a later version must not pass for "nothing to do".
  if (!['no-op', 'read'].includes(change.actions.join(' '))) return 'replace';
  if (change.importing) return 'import';
  return from !== undefined && from !== address ? 'move' : undefined;
}

const PARAMETER_GROUPS = ['aws_db_parameter_group', 'aws_rds_cluster_parameter_group'];
const parameters = z.object({
  parameter: z.array(
    z.object({ name: z.string(), value: z.unknown().optional(), apply_method: z.string().nullish() }),
  ),
});

/** RDS takes such a parameter in at the next reboot: the apply alone changes nothing in force. */
function waitsForReboot({ type, change }: ResourceChange): boolean {
  if (!PARAMETER_GROUPS.includes(type)) return false;
  const before = parameters.safeParse(change.before).data?.parameter ?? [];
  const after = parameters.safeParse(change.after).data?.parameter ?? [];
  return after.some(
    ({ name, value, apply_method: method }) =>
      method === 'pending-reboot' && !before.some((each) => each.name === name && each.value === value),
  );
}
