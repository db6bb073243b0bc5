/** What the docs lead to is there: links, and the tests that prove the document. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const pages = ['README.md', 'CONTRIBUTING.md', ...listMarkdown('docs'), ...listMarkdown('examples')];

function listMarkdown(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file));
}

/** As GitHub names the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(join(ROOT, page), 'utf8').matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Links of a page that lead nowhere. */
function brokenLinks(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/```.*?```/gs, '');
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
}

describe('links', () => {
  it('a link that leads nowhere is found', () => {
    expect(anchorsOf('docs/plan-file.md')).toContain('steps');
    expect(anchorsOf('docs/plan-file.md')).not.toContain('nowhere');
    expect(pages).toContain('docs/reference/README.md');
  });

  it('every link inside the checkout leads to a file, and to a heading of it', () => {
    expect(pages.flatMap((page) => brokenLinks(page).map((link) => `${page}: ${link}`))).toEqual([]);
  });
});

describe('docs/from-the-document.md', () => {
  const text = readFileSync(join(ROOT, 'docs/from-the-document.md'), 'utf8');

  it('every test that it names is there', () => {
    const named = [
      ...text.matchAll(/`((?:unit|parts|timed|kubernetes|workflows|timeskip|e2e|crash)\/[\w./-]+)`/g),
    ];
    const files = [...new Set(named.map(([, name = '']) => name))];
    expect(files.length).toBeGreaterThan(20);
    const isThere = (name: string) =>
      existsSync(join(ROOT, 'test', `${name}.test.ts`)) || existsSync(join(ROOT, 'test', name));
    expect(files.filter((name) => !isThere(name))).toEqual([]);
  });

  it('no row of the document is left open', () => {
    expect(text).not.toMatch(/\*next\*/i);
  });
});
