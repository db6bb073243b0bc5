/** What the state holds of what the configuration sets: what an undo has to bring back. Pure. */
import { z } from 'zod';
import { type Fields, isFields, mapStrings, mask } from './values.js';

const fields = z.record(z.string(), z.unknown());

const stateResource = z.object({
  address: z.string(),
  mode: z.string(),
  values: fields.optional(),
  sensitive_values: z.unknown().optional(),
});
export const stateModule = z.object({
  resources: z.array(stateResource).optional(),
  get child_modules() {
    return z.array(stateModule).optional();
  },
});
type StateModule = z.infer<typeof stateModule>;

const configResource = z.object({ address: z.string(), expressions: fields.optional() });
export const configModule = z.object({
  resources: z.array(configResource).optional(),
  get module_calls() {
    return z.record(z.string(), z.object({ module: configModule.optional() })).optional();
  },
  variables: z.record(z.string(), z.object({ sensitive: z.boolean().optional() })).optional(),
});
type ConfigModule = z.infer<typeof configModule>;

export interface Configuration {
  variables: Record<string, { sensitive: boolean }>;
  /** What each resource sets, by its address without index: attributes and blocks with their expressions. */
  attributes: Map<string, Fields>;
  /** Addresses of resources and modules, without index. */
  places: string[];
}

export function configurationOf(root: ConfigModule): Configuration {
  const attributes = new Map<string, Fields>();
  const places: string[] = [];
  const visit = (module: ConfigModule, prefix: string) => {
    for (const { address, expressions } of module.resources ?? []) {
      places.push(`${prefix}${address}`);
      attributes.set(`${prefix}${address}`, expressions ?? {});
    }
    for (const [name, call] of Object.entries(module.module_calls ?? {})) {
      places.push(`${prefix}module.${name}`);
      if (call.module) visit(call.module, `${prefix}module.${name}.`);
    }
  };
  visit(root, '');
  const variables = Object.entries(root.variables ?? {}).map(
    ([name, { sensitive }]) => [name, { sensitive: sensitive === true }] as const,
  );
  return { variables: Object.fromEntries(variables), attributes, places };
}

/** `module.a["x"].aws_b.c[0]` → `module.a.aws_b.c`. */
export function withoutIndexes(address: string): string {
  return address.replace(/\[(?:"(?:[^"\\]|\\.)*"|\d+)\]/g, '');
}

/**
 * Managed resources by address. What a provider makes up (ids, endpoints, times of creation) is left out, for a
 * resource that had to be replaced on the way back has others: only what the configuration sets is compared, and where
 * that is another resource's id or ARN, the name of that resource stands for it. Of sensitive values only whether
 * there is one.
 */
export function stateOf(
  root: StateModule | undefined,
  attributes: Configuration['attributes'],
  redact: (text: string) => string,
): Record<string, unknown> {
  const resources = collect(root).filter(({ mode }) => mode === 'managed');
  const names = new Map<string, string>();
  for (const { address, values } of resources) {
    for (const key of ['id', 'arn']) {
      const made = values?.[key];
      const isOwn = key in (attributes.get(withoutIndexes(address)) ?? {});
      if (typeof made === 'string' && !isOwn) names.set(made, `(${key} of ${address})`);
    }
  }
  return Object.fromEntries(
    resources.map(({ address, values = {}, sensitive_values: marks }) => {
      const kept = keepSet(mask(values, [marks]), attributes.get(withoutIndexes(address)));
      return [address, mapStrings(kept, (text) => redact(names.get(text) ?? text))];
    }),
  );
}

/** Blocks written by `dynamic` are not among the expressions, so a list of blocks always counts. */
function keepSet(values: unknown, set: Fields | undefined): unknown {
  if (!isFields(values)) return values;
  const entries = Object.entries(values).flatMap(([key, value]) => {
    const expression = set?.[key];
    const blocks = Array.isArray(value) && value.some(isFields);
    if (set === undefined) return key === 'id' ? [] : [[key, value]];
    if (expression === undefined && !blocks) return [];
    if (!blocks || !Array.isArray(expression)) return [[key, value]];
    const inner: Fields = Object.assign({}, ...expression.filter(isFields));
    return [[key, value.map((block) => keepSet(block, inner))]];
  });
  return Object.fromEntries(entries);
}

function collect(module: StateModule | undefined): NonNullable<StateModule['resources']> {
  if (!module) return [];
  return [...(module.resources ?? []), ...(module.child_modules ?? []).flatMap(collect)];
}
