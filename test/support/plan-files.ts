/** Every plan of the examples, of the reference and of the fixtures. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './product.js';

/** Paths from the root of the checkout, with their texts. */
export function readPlanFiles(): { path: string; text: string }[] {
  return ['examples', 'docs/reference/examples', 'test/fixtures'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
      .map((entry) => ({
        path: relative(ROOT, join(entry.parentPath, entry.name)),
        text: readFileSync(join(entry.parentPath, entry.name), 'utf8'),
      }))
      .filter(({ text }) => text.includes('apiVersion: headgate/')),
  );
}
