/** Looks up what a schema says of a place: its keys, its title, its description. */
import { z } from 'zod';
import type { Path } from './faults.js';

/** Every schema that the place may have: a union has several. */
function schemasAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType[] {
  const [first, ...rest] = path;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return schemasAt(schema.unwrap(), path);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => schemasAt(option, path));
  if (first === undefined) return [schema];
  if (schema instanceof z.ZodObject) {
    const inner = Object.entries(schema.shape).find(([key]) => key === first)?.[1];
    return inner instanceof z.ZodType ? schemasAt(inner, rest) : [];
  }
  if (schema instanceof z.ZodArray) return schemasAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return schemasAt(schema.valueType, rest);
  return [];
}

export function keysAt(schema: z.ZodType, path: Path): string[] {
  return schemasAt(schema, path).flatMap((found) =>
    found instanceof z.ZodObject ? Object.keys(found.shape) : [],
  );
}

/** `A step`, `An expectation`. */
export function titleAt(schema: z.ZodType, path: Path): string | undefined {
  const titles = schemasAt(schema, path).map((found) =>
    found instanceof z.ZodType ? found.meta()?.title : undefined,
  );
  const title = titles.find((found) => found !== undefined);
  return title === undefined ? undefined : `${/^[aeiou]/.test(title) ? 'An' : 'A'} ${title}`;
}

/** The description of a field. */
export function describeField(schema: z.ZodType, path: Path): string | undefined {
  const key = path.at(-1);
  for (const owner of schemasAt(schema, path.slice(0, -1))) {
    if (!(owner instanceof z.ZodObject)) continue;
    const field = Object.entries(owner.shape).find(([name]) => name === key)?.[1];
    if (field instanceof z.ZodType) return descriptionOf(field);
  }
  return undefined;
}

function descriptionOf(field: z.core.$ZodType): string | undefined {
  const own = field instanceof z.ZodType ? field.description : undefined;
  if (own !== undefined) return own;
  return field instanceof z.ZodOptional || field instanceof z.ZodDefault
    ? descriptionOf(field.unwrap())
    : undefined;
}
