/** JSON as YAML that people read, and that is read back as the same JSON. Pure. */
import { Document, isCollection, isMap, isPair, isScalar, type Scalar, visit } from 'yaml';
import type { Json } from './resolved.js';

/** A list or map of scalars up to this length stands on one line. */
const LONGEST_ON_ONE_LINE = 100;
/** What a reader may take for a line break, for the beginning of a file or for damage. */
const UNSAFE = /[^\P{Cc}\n\t]|[\p{Cs}\u2028\u2029\uFEFF\uFFFD-\uFFFF]/u;

export function toYaml(json: { [key: string]: Json }): string {
  const document = new Document(json, { version: '1.2', aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && UNSAFE.test(node.value)) node.type = 'QUOTE_DOUBLE';
    },
    Collection: (_, node) => {
      const scalars = node.items.flatMap((item): unknown[] =>
        isPair(item) ? [item.key, item.value] : [item],
      );
      const isShort = JSON.stringify(node.toJSON()).length <= LONGEST_ON_ONE_LINE;
      if (isShort && scalars.every(isOnOneLine)) node.flow = true;
    },
  });
  if (isMap(document.contents)) {
    document.contents.flow = false;
    for (const { key, value } of document.contents.items) {
      if (isCollection(value) && !value.flow && isScalar(key)) key.spaceBefore = true;
    }
  }
  return document
    .toString({ lineWidth: 0, flowCollectionPadding: true })
    .replaceAll(/[\x7F-\x9F\u2028\u2029\uFEFF\uFFFD-\uFFFF]/g, escaped);
}

function isOnOneLine(node: unknown): node is Scalar {
  return isScalar(node) && !(typeof node.value === 'string' && node.value.includes('\n'));
}

/** Where one of these stands, it stands in double quotes. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
