/** Where the reference lies, and what its files have to hold. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Kind, listKinds } from './kinds.js';
import { END, renderHead, renderIndex } from './pages.js';

export const REFERENCE = fileURLToPath(new URL('../../docs/reference/', import.meta.url));

export function exampleOf({ sort, name }: Pick<Kind, 'sort' | 'name'>): string {
  return `${REFERENCE}examples/${sort}/${name}.yaml`;
}

export function pageOf({ sort, name }: Pick<Kind, 'sort' | 'name'>): string {
  return `${REFERENCE}${sort}/${name}.md`;
}

export interface Page {
  path: string;
  text: string;
}

/**
 * Every page as it has to be: what is generated is new, what people have written below it stays.
 * @throws Error that names the kinds without an example
 */
export function composePages(): Page[] {
  const kinds = listKinds();
  const missing = kinds.filter((kind) => !existsSync(exampleOf(kind))).map(exampleOf);
  if (missing.length > 0)
    throw new Error(`These examples are missing; write a whole plan each:\n${missing.join('\n')}`);
  const pages = kinds.map((kind) => {
    const path = pageOf(kind);
    return { path, text: `${renderHead(kind, readFileSync(exampleOf(kind), 'utf8'))}\n${proseOf(path)}` };
  });
  return [...pages, { path: `${REFERENCE}README.md`, text: renderIndex() }];
}

function proseOf(path: string): string {
  if (!existsSync(path)) return '';
  const [, prose] = readFileSync(path, 'utf8').split(`${END}\n`);
  if (prose === undefined) throw new Error(`${path} has lost its end mark: ${END}`);
  return prose;
}
