/** No content of a literal survives, and what the query does can still be read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeLiterals } from '../../../src/platform/sql-literals.js';

describe('removeLiterals', () => {
  it.each([
    ["select * from users where email = 'ana@example.com'", 'select * from users where email = ?'],
    ["select 'it''s', 'x'", 'select ?, ?'],
    ["select E'it\\'s \\\\', e'x''y' from a", 'select ?, ? from a'],
    ["select b'101', X'1F', N'ana', U&'\\0061' uescape '!'", 'select ?, ?, ?, ? uescape ?'],
    ['select $$it is$$, $tag$a $$ b$tag$, $ü$x$ü$', 'select ?, ?, ?'],
    ['select 1, 2.5e-3, .5, 1_000, 0x1F, -7, 1e10 from t', 'select ?, ?, ?, ?, ?, -?, ? from t'],
    ['select 1 -- of ana\nfrom t', 'select ? ?\nfrom t'],
    ['select /* a /* b */ c */ x', 'select ? x'],
    ["select 'ana' -- it's\r\n, 'ben'", 'select ? ?\r\n, ?'],
    ['select "it\'s ""odd""", U&"d\\0061t" from "2024"', 'select "it\'s ""odd""", U&"d\\0061t" from "2024"'],
    ['select p95, t1.c$2, größe4 from t1 where id = $1', 'select p95, t1.c$2, größe4 from t1 where id = $1'],
    [
      'select a[1], cast(b as varchar(20)) from t limit 10',
      'select a[?], cast(b as varchar(?)) from t limit ?',
    ],
    ["select data ->> 'name', a - -1, 5--3", 'select data ->> ?, a - -?, ??'],
    ['select true, null, current_date', 'select true, null, current_date'],
    ['', ''],
  ])('%s', (sql, expected) => {
    expect(removeLiterals(sql)).toBe(expected);
  });

  it('what never ends takes the rest with it', () => {
    for (const cut of [
      "'CANARY",
      "E'CANARY\\'",
      '$$CANARY',
      '$a$CANARY$b$',
      '/* CANARY',
      '"CANARY',
      "'CANARY''",
    ]) {
      expect(removeLiterals(`select a, ${cut} CANARY`)).toBe('select a, ?');
    }
  });

  it('a backslash before a quote is told from nothing in the text, so the rest goes too', () => {
    expect(removeLiterals("select 'a\\', 'CANARY'")).toBe('select ?');
    expect(removeLiterals("select 'a\\'CANARY', b")).toBe('select ?');
    expect(removeLiterals("select E'a'\n'b\\'CANARY'")).toBe('select ?\n?');
    expect(removeLiterals("select 'a\\\\', b")).toBe('select ?, b');
  });

  const anything = fc.string({
    unit: fc.constantFrom("'", '"', '$', '\\', '/', '*', '-', 'a', '1', ' ', '\n', '?', 'é'),
  });
  const around = fc.tuple(anything, anything).map(([before, after]) => `${before}CANARY${after}`);
  const literal = (content: fc.Arbitrary<string>) =>
    fc.oneof(
      content.map((text) => `'${text.replaceAll("'", "''")}'`),
      content.map((text) => `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`),
      content.map((text) => `$_q$${text.replaceAll('$', '')}$_q$`),
      content.map((text) => `/* ${text.replace(/[/*]/g, '')} */`),
      content.map((text) => `-- ${text.replaceAll('\n', ' ')}\n`),
    );
  const words = fc.constantFrom(
    'select',
    'from',
    'users',
    '"Weird ""Name"',
    'p95',
    '$1',
    ',',
    '(',
    ')',
    '->>',
    '=',
  );

  it('no content of a literal survives, wherever the text is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(words, literal(around))), fc.nat(), (parts, cut) => {
        const sql = parts.join(' ');
        expect(removeLiterals(sql)).not.toContain('CANARY');
        expect(removeLiterals(sql.slice(0, cut % (sql.length + 1)))).not.toContain('CANARY');
      }),
      { numRuns: 500 },
    );
  });

  it('words stay, in their order', () => {
    const harmless = literal(around.map((text) => text.replaceAll('\\', '')));
    fc.assert(
      fc.property(fc.array(fc.tuple(words, harmless)), (parts) => {
        const kept = removeLiterals(parts.map(([word, data]) => `${word} ${data}`).join(' '));
        expect(kept).toBe(
          parts.map(([word, data]) => `${word} ?${data.endsWith('\n') ? '\n' : ''}`).join(' '),
        );
      }),
    );
  });

  it('of any text at all neither a string nor a figure is left outside of names and parameters', () => {
    fc.assert(
      fc.property(fc.oneof(anything, fc.string()), (text) => {
        const names = /(?:[uU]&)?"(?:[^"]|"")*"|\$\d+|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g;
        expect(removeLiterals(text).replace(names, '')).not.toMatch(/['0-9]/);
      }),
    );
  });
});
