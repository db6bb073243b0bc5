/** The grammar of `${…}`. What may be known now is put in now; the rest is for the worker. Pure. */
import type { FaultInput } from './fault-list.js';
import type { Path } from './faults.js';
import { adviseName, listWords } from './suggest.js';

export interface Reference {
  /** `${env:TOKEN}` */
  whole: string;
  kind: string;
  name: string;
}

const FIELDS = {
  release: ['id', 'version', 'url'],
  rollout: ['id', 'version', 'application'],
} as const;
const KINDS = ['var', 'env', 'secret', 'release', 'rollout'];
const SHAPES =
  'one of ${var:NAME}, ${env:NAME}, ${secret:ID#KEY}, ${release:id|version|url}, ${rollout:id|version|application}';

/** Every `${…}` of a text; one that is never closed has no kind. */
export function findReferences(text: string): Reference[] {
  return [...text.matchAll(/\$\{(?:([^}:]*):)?([^}]*)\}?/g)].map(([whole, kind, name = '']) => {
    const closed = whole.endsWith('}');
    return { whole, kind: closed ? (kind ?? '') : '', name };
  });
}

/** What is wrong with the form of one reference; whether a variable exists is another question. */
export function checkReference(reference: Reference, path: Path): FaultInput | undefined {
  const { whole, kind, name } = reference;
  const shown = whole.length <= 60 ? whole : `${whole.slice(0, 59)}…`;
  const base = { code: 'badReference' as const, path, found: shown };
  if (!KINDS.includes(kind)) {
    const message = whole.endsWith('}') ? `${shown} is no reference.` : `${shown} is never closed.`;
    const closing = whole.endsWith('}') ? 'Write one of these, or text without "${".' : 'Close it with "}".';
    return { ...base, message, expected: SHAPES, fix: adviseName(kind, KINDS, closing) };
  }
  if (kind === 'release' || kind === 'rollout') return checkField(base, shown, kind, name);
  if (isName(kind, name)) return undefined;
  return {
    ...base,
    message: `${shown} has no name that ${kind} could have.`,
    expected: kind === 'secret' ? '${secret:ID} or ${secret:ID#KEY}' : `\${${kind}:NAME}`,
    fix:
      kind === 'secret'
        ? 'Write the id of the secret and the key in it.'
        : 'Use letters, digits and underscores.',
  };
}

function checkField(
  base: Pick<FaultInput, 'code' | 'path' | 'found'>,
  shown: string,
  kind: 'release' | 'rollout',
  name: string,
) {
  const fields: readonly string[] = FIELDS[kind];
  if (fields.includes(name)) return undefined;
  return {
    ...base,
    message: `${shown} is unknown: a ${kind} has no "${name}".`,
    expected: `${kind}:${listWords(fields)}`,
    fix: adviseName(
      name,
      fields,
      `Write one of ${fields.map((field) => `\${${kind}:${field}}`).join(', ')}.`,
    ),
  };
}

function isName(kind: string, name: string): boolean {
  if (kind === 'secret') return /^[^\s#$]+(#[^\s$]+)?$/.test(name);
  return (kind === 'var' ? /^[A-Za-z_][A-Za-z0-9_-]*$/ : /^[A-Za-z_][A-Za-z0-9_]*$/).test(name);
}

/** Kinds of references in a text, in order. */
export function kindsIn(text: string): string[] {
  return findReferences(text).map(({ kind }) => kind);
}
