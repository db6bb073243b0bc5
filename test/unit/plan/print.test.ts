/** plan → print → parse is the identity: what was reviewed can be started as it is. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Document, isCollection, isScalar, visit } from 'yaml';
import { digestJson } from '../../../src/plan/canonical.js';
import { parsePlan } from '../../../src/plan/parse.js';
import { type PrintablePlan, printPlan } from '../../../src/plan/print.js';
import { PROBE_KINDS } from '../../../src/plan/probe-schema.js';
import { STEP_KINDS, TARGET_KINDS } from '../../../src/plan/step-schema.js';
import { planDocuments, STEP_KINDS_MADE } from '../../support/plan-documents.js';
import { PROBES, TARGETS } from '../../support/plan-options.js';
import { escapeCharacter, type JsonMap, toJsonText } from '../../support/plan-words.js';

/** Fast-check prints seed and path of what fails: fc.assert(…, { seed, path }) repeats it. */
const RUNS = 40;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

function parse(text: string, overrides: Record<string, string> = {}): PrintablePlan {
  const { draft, faults, source } = parsePlan({ text, file: 'rollout.yaml', overrides });
  if (!draft)
    throw new Error(
      `${faults.map(({ path, message, found }) => `${path}: ${message} (${found})`).join('\n')}\n${text}`,
    );
  // As it travels to the workflow.
  return JSON.parse(JSON.stringify({ ...draft, ...(source ? { source: source.source } : {}) }));
}

function expectSame(plan: PrintablePlan): void {
  const printed = printPlan(plan);
  const again = parse(printed);
  expect(again).toEqual(plan);
  expect(digestJson(again)).toBe(digestJson(plan));
  expect(printPlan(again)).toBe(printed);
}

const plansIn = (folder: string) =>
  readdirSync(`${ROOT}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml') && /rollout|reference/.test(`${folder}${file}`))
    .map((file) => `${folder}/${file}`)
    .sort();
const WRITTEN = [
  ...plansIn('examples'),
  ...plansIn('docs/reference/examples'),
  'test/fixtures/rollout.example.yaml',
];

test('there are plans of every example and reference page', () => expect(WRITTEN.length).toBeGreaterThan(25));

it.each(WRITTEN)('%s is parsed, printed and parsed to the same plan', (file) => {
  expectSame(parse(readFileSync(`${ROOT}${file}`, 'utf8')));
});

describe('any plan', () => {
  it('is made of every kind of step, probe and target', () => {
    expect(STEP_KINDS_MADE.sort()).toEqual(Object.keys(STEP_KINDS).sort());
    // Figures of a load test are those of one step: the page of the probe has them.
    expect([...Object.keys(PROBES), 'loadTest'].sort()).toEqual(Object.keys(PROBE_KINDS).sort());
    expect(Object.keys(TARGETS).sort()).toEqual(Object.keys(TARGET_KINDS).sort());
  });

  it('is the same after printing, and printing it again prints the same', () => {
    fc.assert(
      fc.property(planDocuments, (document) => expectSame(parse(toJsonText(document)))),
      { numRuns: RUNS },
    );
  });

  it('is the same in whatever style of YAML it is written', () => {
    fc.assert(
      fc.property(planDocuments, styles, (document, style) => {
        expect(parse(write(document, style))).toEqual(parse(toJsonText(document)));
      }),
      { numRuns: RUNS },
    );
  });

  it('is the same with anchors and aliases in place of what is repeated', () => {
    fc.assert(
      fc.property(planDocuments, (document) => {
        const [first] = document.stages as JsonMap[];
        // The same object twice: the writer puts an anchor at one and an alias at the other.
        const twice = { ...document, stages: [first, { ...first, name: 'another' }] as JsonMap[] };
        const text = write(twice, { ...AS_USUAL, aliases: true });
        expect(text).toMatch(/: &a1|- &a1/);
        expect(parse(text)).toEqual(parse(toJsonText(twice)));
      }),
      { numRuns: RUNS },
    );
  });
});

interface Style {
  quote: 'QUOTE_DOUBLE' | 'QUOTE_SINGLE' | 'PLAIN' | 'BLOCK_LITERAL' | 'BLOCK_FOLDED';
  flow: boolean;
  lineWidth: number;
  indent: number;
  indentSeq: boolean;
  lineBreak: '\n' | '\r\n';
  bom: boolean;
  comments: boolean;
  explicitStart: boolean;
  aliases?: boolean;
}

const AS_USUAL: Style = {
  ...{ quote: 'PLAIN', flow: false, lineWidth: 0, indent: 2, indentSeq: true, lineBreak: '\n' },
  ...{ bom: false, comments: false, explicitStart: false },
};

const styles: fc.Arbitrary<Style> = fc.record({
  quote: fc.constantFrom('QUOTE_DOUBLE', 'QUOTE_SINGLE', 'PLAIN', 'BLOCK_LITERAL', 'BLOCK_FOLDED'),
  flow: fc.boolean(),
  lineWidth: fc.constantFrom(0, 400),
  indent: fc.constantFrom(2, 4),
  indentSeq: fc.boolean(),
  lineBreak: fc.constantFrom('\n', '\r\n'),
  bom: fc.boolean(),
  comments: fc.boolean(),
  explicitStart: fc.boolean(),
});

/** Text in which YAML itself sees a line break, a bad character or the end of a block is kept to double quotes. */
const ONLY_IN_QUOTES = /[^\P{Cc}\n\t]|[\p{Cs}\u2028\u2029\uFEFF\uFFFD-\uFFFF]|[ \t]\n|^[ \t\n]|[ \t]$/u;

function write(json: JsonMap, style: Style): string {
  const document = new Document(json, { aliasDuplicateObjects: style.aliases ?? false });
  visit(document, (place, node) => {
    if (isScalar(node) && typeof node.value === 'string') {
      const quote = place === 'key' ? 'PLAIN' : style.quote;
      node.type = ONLY_IN_QUOTES.test(node.value) ? 'QUOTE_DOUBLE' : quote;
    }
    const isBlock = style.quote.startsWith('BLOCK');
    if (isScalar(node) && place !== 'key' && style.comments && !isBlock) node.comment = ' remarks: [';
    if (isCollection(node)) node.flow = style.flow || node.items.length === 0;
  });
  if (style.comments) document.commentBefore = ' a plan\n # of somebody';
  const { lineWidth, indent, indentSeq, explicitStart } = style;
  const text = document.toString({ lineWidth, indent, indentSeq, directives: explicitStart });
  const escaped = text.replaceAll(/[\x7F-\x9F\u2028\u2029\uFEFF\uFFFD-\uFFFF]/g, escapeCharacter);
  return `${style.bom ? '\uFEFF' : ''}${escaped.replaceAll('\n', style.lineBreak)}`;
}
