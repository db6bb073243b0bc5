/** Texts that went wrong on the way: bytes flipped, lines lost, doubled and swapped, values replaced by nasty ones. */
import fc from 'fast-check';

/** How often a property of this kind is tried: few times with every test, and for hours with FC_NUM_RUNS. */
export function fuzzOptions(usual: number): { numRuns: number; seed?: number } {
  const { FC_NUM_RUNS: runs, FC_SEED: seed } = process.env;
  return {
    numRuns: runs === undefined ? usual : Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}

/** A test that tries one property may take so long. */
export const FUZZ_TIMEOUT_MS = process.env.FC_NUM_RUNS === undefined ? 20_000 : 24 * 3_600_000;

/** What YAML, JSON, shells, terminals and JavaScript itself read as something else than text. */
const NASTY = [
  ...['\0', '\t', ' ', '\n', '\r\n', '\uFEFF', '\u2028', '\u202e', '\u001b[2J', '\ud800', 'é', '😀'],
  ...['&a', '*a', '<<: ', '!!js ', '!!binary ', '!!set ', '? ', '| ', '> ', '- ', '---\n', '...\n', '%'],
  ...['{', '}', '[', ']', ': ', '#', '"', "'", '`', ',', '[]', '{}', '""', 'null', '~', 'yes', '0'],
  ...['.nan', '.inf', 'NaN', '-1', '-0', '1e999', '99999999999999999999', '0x1', '0o7', '1:30', 'true'],
  ...['${', '}', '${var:', '${env:X}', '${var:a}', '..', '/', '__proto__', 'constructor', 'toString'],
];

interface Mutation {
  how: string;
  /** Where, from 0 to 1 of the text. */
  at: number;
  many: number;
  text: string;
}

/** One of `texts` with a few things wrong in it. */
export function mutated(texts: string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(texts.length - 1), mutationsOf())
    .map(([which, all]) => all.reduce(mutate, texts[which] ?? ''));
}

/** Anything, with a liking for what means something. */
export function anyText(words: string[]): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(fc.constantFrom(...NASTY, ...words), { maxLength: 60 }).map((parts) => parts.join('')),
    fc.json({ maxDepth: 6 }),
  );
}

const IN_TEXT: Record<string, (text: string, place: number, mutation: Mutation) => string> = {
  insert: (text, place, { text: put }) => text.slice(0, place) + put + text.slice(place),
  delete: (text, place, { many }) => text.slice(0, place) + text.slice(place + 1 + (many % 40)),
  flip(text, place, { many }) {
    const flipped = String.fromCharCode((text.charCodeAt(place) || 0) ^ (1 << (many % 8)));
    return text.slice(0, place) + flipped + text.slice(place + 1);
  },
  repeat: (text, place, { many }) => text.slice(0, place + (many % 200)) + text.slice(place),
  cut: (text, place) => text.slice(0, place),
};

/** What becomes of one line; `other` is another one. */
const IN_LINES: Record<string, (line: string, other: string, put: string) => string[]> = {
  loseLine: () => [],
  copyLine: (_line, other) => [other],
  addLine: (line, other) => [line, other],
  indentLine: (line) => [`  ${line}`],
  replaceValue: (line, _other, put) => [
    line.replace(/([:[,] ?)[^,\]}]*/, (_found, before: string) => before + put),
  ],
  replaceKey: (line, _other, put) => [line.replace(/[\w.-]+"?(?= ?:)/, () => put)],
};

function mutate(text: string, mutation: Mutation): string {
  const { how, at, many } = mutation;
  const inText = IN_TEXT[how];
  if (inText) return inText(text, Math.floor(at * text.length), mutation);
  const lines = text.split('\n');
  const here = Math.min(lines.length - 1, Math.floor(at * lines.length));
  const changed = IN_LINES[how]?.(lines[here] ?? '', lines[many % lines.length] ?? '', mutation.text) ?? [];
  return [...lines.slice(0, here), ...changed, ...lines.slice(here + 1)].join('\n');
}

function mutationsOf() {
  return fc.array(
    fc.record({
      how: fc.constantFrom(...Object.keys(IN_TEXT), ...Object.keys(IN_LINES)),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      many: fc.nat(5_000),
      text: fc.oneof(
        fc.constantFrom(...NASTY),
        fc.string({ maxLength: 12 }),
        fc.string({ unit: 'binary', maxLength: 4 }),
      ),
    }),
    { minLength: 1, maxLength: 6 },
  );
}
