/** `npm run docs`: writes docs/reference anew. A unit test says when it is due. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { composePages } from './reference/files.js';

for (const { path, text } of composePages()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
