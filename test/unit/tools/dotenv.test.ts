import { parseEnv } from 'node:util';
import { parse } from 'dotenv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dotenvTexts } from '../../../src/tools/dotenv/index.js';

const awkward = `# pool
export  DB_CONNECTION_LIMIT = 20   # was 10

DB_POOL_TIMEOUT='20'\t
DB_URL="postgres://u:p#1@h/db" # not a comment: p#1
CERT="-----BEGIN-----
DB_CONNECTION_LIMIT=99
-----END-----"
EMPTY=
  INDENTED=\`a "b" 'c'\`
LAST=x=y`;

function set(text: string | Buffer, key: string, value: string): string | undefined {
  return dotenvTexts.set(Buffer.from(text), key, value)?.toString();
}

/** As the two readers see it, each by itself. */
function read(text: string | Buffer) {
  const withoutMark = text.toString().replace(/^\uFEFF/, '');
  return { dotenv: { ...parse(text) }, node: { ...parseEnv(withoutMark) } };
}

describe('set', () => {
  it('changes the bytes of one value and no other', () => {
    expect(set(awkward, 'DB_CONNECTION_LIMIT', '50')).toBe(awkward.replace('= 20 ', '= 50 '));
    expect(set(awkward, 'DB_POOL_TIMEOUT', '30')).toBe(awkward.replace("'20'", "'30'"));
    expect(set(awkward, 'CERT', 'none')).toBe(awkward.replace(/"-----B[^"]*"/, '"none"'));
    expect(set(awkward, 'EMPTY', '1')).toBe(awkward.replace('EMPTY=', 'EMPTY=1'));
    expect(set(awkward, 'INDENTED', 'b')).toBe(awkward.replace(/`[^`]*`/, '`b`'));
    expect(set(awkward, 'LAST', 'z')).toBe(awkward.replace('x=y', 'z'));
  });

  it('sets the occurrence that is in force: the last one', () => {
    expect(read('A=1\nA=2\n').dotenv).toEqual({ A: '2' });
    expect(set('A=1\nB=0\nA=2\nC=0\n', 'A', '3')).toBe('A=1\nB=0\nA=3\nC=0\n');
  });

  it.each([
    ['LF', 'A=1\nB=2\n', 'A=1\nB=2\nNEW=50\n'],
    ['CRLF', 'A=1\r\nB=2\r\n', 'A=1\r\nB=2\r\nNEW=50\r\n'],
    ['without a final newline', 'A=1\nB=2', 'A=1\nB=2\nNEW=50'],
    ['CRLF without a final newline', 'A=1\r\nB=2', 'A=1\r\nB=2\r\nNEW=50'],
    ['one line without any newline', 'A=1', 'A=1\nNEW=50'],
    ['a comment at the end', 'A=1\n# end', 'A=1\n# end\nNEW=50'],
    ['trailing spaces', 'A=1  \n   ', 'A=1  \n   \nNEW=50'],
    ['empty', '', 'NEW=50\n'],
    ['only a byte order mark', '\uFEFF', '\uFEFFNEW=50\n'],
  ])('adds a key at the end, as the file is written: %s', (_name, text, expected) => {
    expect(set(text, 'NEW', '50')).toBe(expected);
  });

  it('keeps CRLF, a byte order mark, trailing spaces and a missing final newline', () => {
    expect(set('\uFEFFA=1 \r\nB="2"  \r\nC=3', 'A', '9')).toBe('\uFEFFA=9 \r\nB="2"  \r\nC=3');
    expect(set('\uFEFFA=1 \r\nB="2"  \r\nC=3', 'B', '9')).toBe('\uFEFFA=1 \r\nB="9"  \r\nC=3');
    expect(set('\uFEFFA=1 \r\nB="2"  \r\nC=3', 'C', '9')).toBe('\uFEFFA=1 \r\nB="2"  \r\nC=9');
  });

  it('keeps bytes that are no UTF-8', () => {
    const before = Buffer.concat([
      Buffer.from('NAME=caf'),
      Buffer.from([0xe9, 0xa0]),
      Buffer.from('\nA=1\n'),
    ]);
    const after = dotenvTexts.set(before, 'A', 'é');
    expect(after?.subarray(0, 11)).toEqual(before.subarray(0, 11));
    expect(after?.subarray(11).toString()).toBe('A=é\n');
  });

  it.each([
    ['A=1\n', 'a b', 'A=a b\n'],
    ["A='1'\n", 'a b', "A='a b'\n"],
    ['A="1"\n', 'a b', 'A="a b"\n'],
    ['A=`1`\n', 'a b', 'A=`a b`\n'],
    ['A=1\n', 'a#b', "A='a#b'\n"],
    ["A='1'\n", "it's", 'A="it\'s"\n'],
    ['A=1\n', ' a ', "A=' a '\n"],
    ['A=1\n', 'a\nb', 'A="a\\nb"\n'],
    ["A='1'\n", 'a\nb', "A='a\nb'\n"],
    ['A="1"\n', 'C:\\new', "A='C:\\new'\n"],
    ['A=1\n', '', 'A=\n'],
    ['A="1"\n', '', 'A=""\n'],
    ['', 'a b', "A='a b'\n"],
    ['', 'pa$$w0rd', "A='pa$$w0rd'\n"],
    ['', `it's "x" # y`, `A=\`it's "x" # y\`\n`],
  ])('in %j writes %j as %j: the quoting that is there, else the least', (text, value, expected) => {
    expect(set(text, 'A', value)).toBe(expected);
    expect(read(expected)).toEqual({ dotenv: { A: value }, node: { A: value } });
  });

  it.each([
    ['a carriage return', 'a\rb'],
    ['all three quotes and a comment sign', '\'"`#'],
    ['a line break, a quote of each other kind and a backslash n', "'`\n\\n"],
  ])('refuses a value that no quoting carries in both readers: %s', (_name, value) => {
    expect(set('A=1\n', 'A', value)).toBeUndefined();
    expect(set('', 'A', value)).toBeUndefined();
  });

  it.each(['A B', 'A=B', '#A', '__proto__'])('refuses %j, which is no key', (key) => {
    expect(set('X=1\n', key, '1')).toBeUndefined();
  });

  it('asks dotenv alone about a key that Node does not see', () => {
    expect(read('A: 1\n')).toEqual({ dotenv: { A: '1' }, node: {} });
    expect(dotenvTexts.isSeenByNode(Buffer.from('A: 1\n'), 'A')).toBe(false);
    expect(set('A: 1\n', 'A', '2')).toBe('A: 2\n');
    expect(dotenvTexts.isSeenByNode(Buffer.from('A=1\n'), 'A')).toBe(true);
  });
});

describe('putBack', () => {
  function putBack(text: string, base: string, key: string): string | undefined {
    return dotenvTexts.putBack(Buffer.from(text), Buffer.from(base), key)?.toString();
  }

  it('writes the value as it was written, in the place where the key is now', () => {
    expect(putBack('X=9\nA=50 # c\n', "A='20'\nX=1\n", 'A')).toBe("X=9\nA='20' # c\n");
  });

  it('takes a key out that was not there', () => {
    expect(putBack('X=9\nA=50\nY=1\n', 'X=1\n', 'A')).toBe('X=9\nY=1\n');
    expect(putBack('X=9\r\nA=50', 'X=1', 'A')).toBe('X=9');
    expect(putBack('X=9\n', 'X=1\n', 'A')).toBe('X=9\n');
  });

  it('adds a key again that was there', () => {
    expect(putBack('X=9\n', 'A=20\nX=1\n', 'A')).toBe('X=9\nA=20\n');
  });

  it('refuses where another occurrence of the key would come to light', () => {
    expect(putBack('A=1\nA=50\n', 'X=1\n', 'A')).toBeUndefined();
  });
});

describe('for every dotenv file', () => {
  const key = fc.constantFrom('DB_CONNECTION_LIMIT', 'A', 'B.C-d', 'export', 'Z9');
  const written = fc.oneof(
    fc.stringMatching(/^[\w./:@ =$\\-]{0,8}$/),
    fc.stringMatching(/^'[\w \n#"`=]{0,8}'$/),
    fc.stringMatching(/^"([\w \n#'`=]|\\n){0,8}"$/),
    fc.stringMatching(/^`[\w \n#"'=]{0,8}`$/),
  );
  const assignment = fc
    .tuple(
      fc.constantFrom('', ' ', 'export ', '\t'),
      key,
      fc.constantFrom('=', ' = ', '=  ', ': '),
      written,
      fc.constantFrom('', '  ', ' # note', '#note', ' # DB_CONNECTION_LIMIT=1'),
    )
    .map((parts) => parts.join(''));
  const block = fc.oneof(
    assignment,
    fc.constantFrom('', '# A=1', '   ', 'no assignment', '"', 'A="1', "A=it's"),
  );
  const file = fc
    .tuple(
      fc.constantFrom('', '\uFEFF'),
      fc.array(block, { maxLength: 6 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
    )
    .map(([mark, blocks, newline, final]) => {
      const text = blocks.map((one) => one.replaceAll('\n', newline)).join(newline);
      return mark + text + (final ? newline : '');
    });
  const anyFile = fc.oneof(file, fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }));
  const anyValue = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme' }),
    fc.stringMatching(/^[\\n"'`# \n$]{0,6}$/),
  );

  it('what was set is read back exactly, and no other key is read otherwise', () => {
    let taken = 0;
    let seenByNode = 0;
    fc.assert(
      fc.property(anyFile, key, anyValue, (text, name, value) => {
        const after = set(text, name, value);
        if (after === undefined) return;
        taken += 1;
        const [was, is] = [read(text), read(after)];
        expect(is.dotenv).toEqual({ ...was.dotenv, [name]: value });
        if (!dotenvTexts.isSeenByNode(Buffer.from(text), name)) return;
        seenByNode += 1;
        expect(is.node).toEqual({ ...was.node, [name]: value });
      }),
      { numRuns: 1500 },
    );
    // A property of what is never taken would hold of anything.
    expect(taken).toBeGreaterThan(1000);
    expect(seenByNode).toBeGreaterThan(200);
  });

  it('one stretch of bytes changes, inside the assignment of that key or at the end', () => {
    const parts = fc.tuple(fc.array(assignment, { maxLength: 6 }), fc.constantFrom('\n', '\r\n'));
    fc.assert(
      fc.property(parts, key, fc.stringMatching(/^[\w ]{0,8}$/), ([written, newline], name, value) => {
        const lines = written.map((one) => one.replaceAll('\n', newline));
        const before = lines.join(newline);
        const after = set(before, name, value);
        if (after === undefined) throw new Error(`${name} could not be set`);
        const changed = lines.findLastIndex((line) => name in parse(line));
        if (changed === -1) {
          expect(after.startsWith(before)).toBe(true);
          return;
        }
        const head = lines.slice(0, changed).map((line) => line + newline);
        const tail = lines.slice(changed + 1).map((line) => newline + line);
        expect(after.startsWith(head.join(''))).toBe(true);
        expect(after.endsWith(tail.join(''))).toBe(true);
        const line = after.slice(head.join('').length, after.length - tail.join('').length);
        expect({ ...parse(line) }).toEqual({ [name]: value });
      }),
      { numRuns: 500 },
    );
  });

  it('an ordinary value can always be set, and every byte be put back', () => {
    const ordinary = fc.stringMatching(/^[\w .,:;/@%+=$&!?()#"-]{0,12}$/);
    const sane = fc
      .tuple(
        fc.array(fc.tuple(key, fc.stringMatching(/^("[\w ]{0,5}"|'[\w ]{0,5}'|\w{0,5})$/)), { maxLength: 5 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
      )
      .map(
        ([entries, newline, final]) =>
          entries.map((entry) => entry.join('=')).join(newline) +
          (final && entries.length > 0 ? newline : ''),
      );
    fc.assert(
      fc.property(sane, key, ordinary, (text, name, value) => {
        const before = Buffer.from(text);
        const after = dotenvTexts.set(before, name, value);
        if (!after) throw new Error(`${name} could not be set`);
        const wasEmpty = text === '';
        expect(dotenvTexts.putBack(after, before, name)?.toString()).toBe(wasEmpty ? '' : text);
      }),
      { numRuns: 500 },
    );
  });
});
