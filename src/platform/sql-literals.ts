/** SQL as it may leave the database: its structure without its data. Pure. */

const MASK = '?';

/** Where a literal or comment begins; `e` and the others are its kind only when a quote follows at once. */
const STRING = /(?:[bBeEnNxX]|[uU]&)?'/y;
const DOLLAR = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
const LINE_COMMENT = /--[^\r\n]*/y;
const BLOCK_COMMENT = /\/\*/y;
const QUOTED = /(?:[uU]&)?"/y;
const PARAMETER = /\$\d+/y;
/** Taken whole, so that digits in a name are no number and a dollar in it no quote. */
const IDENTIFIER = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\.?\d(?:[eE][+-]\d|[\w.\u0080-\uffff])*/y;

interface Token {
  end: number;
  isData: boolean;
}

/**
 * Strings of every kind PostgreSQL knows, numbers and comments become `?`; keywords, identifiers (quoted ones too),
 * operators and parameters (`$1`) stay. What never ends, as in a text that the server has cut, takes the rest with it.
 */
export function removeLiterals(sql: string): string {
  let kept = '';
  let at = 0;
  while (at < sql.length) {
    const { end, isData } = readToken(sql, at);
    kept += isData ? MASK : sql.slice(at, end);
    at = end;
  }
  return kept;
}

function readToken(sql: string, at: number): Token {
  return readString(sql, at) ?? readComment(sql, at) ?? readName(sql, at) ?? readFigure(sql, at);
}

function readString(sql: string, at: number): Token | undefined {
  const opening = matchAt(STRING, sql, at);
  if (opening !== undefined) {
    const from = at + opening.length;
    return data(/^e/i.test(opening) ? endOfEscaped(sql, from) : endOfPlain(sql, from));
  }
  const tag = matchAt(DOLLAR, sql, at);
  if (tag === undefined) return undefined;
  const closing = sql.indexOf(tag, at + tag.length);
  return data(closing < 0 ? sql.length : closing + tag.length);
}

function readComment(sql: string, at: number): Token | undefined {
  const line = matchAt(LINE_COMMENT, sql, at);
  if (line !== undefined) return data(at + line.length);
  return matchAt(BLOCK_COMMENT, sql, at) === undefined ? undefined : data(endOfBlock(sql, at));
}

function readName(sql: string, at: number): Token | undefined {
  const quote = matchAt(QUOTED, sql, at);
  if (quote !== undefined) {
    const end = endOfQuoted(sql, at + quote.length);
    return end === undefined ? data(sql.length) : { end, isData: false };
  }
  const name = matchAt(PARAMETER, sql, at) ?? matchAt(IDENTIFIER, sql, at);
  return name === undefined ? undefined : { end: at + name.length, isData: false };
}

function readFigure(sql: string, at: number): Token {
  const figure = matchAt(NUMBER, sql, at);
  return figure === undefined ? { end: at + 1, isData: false } : data(at + figure.length);
}

function data(end: number): Token {
  return { end, isData: true };
}

function matchAt(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}

/**
 * A backslash before a quote ends the string or goes on with it, as `standard_conforming_strings` of that session
 * has it. Nobody can tell from the text, so that the rest goes too.
 */
function endOfPlain(sql: string, from: number): number {
  let quote = sql.indexOf("'", from);
  while (quote >= 0) {
    if (countBackslashes(sql, from, quote) % 2 === 1) return sql.length;
    if (sql[quote + 1] !== "'") return quote + 1;
    quote = sql.indexOf("'", quote + 2);
  }
  return sql.length;
}

function countBackslashes(sql: string, from: number, quote: number): number {
  let first = quote;
  while (first > from && sql[first - 1] === '\\') first -= 1;
  return quote - first;
}

function endOfEscaped(sql: string, from: number): number {
  let at = from;
  while (at < sql.length) {
    if (sql[at] === "'" && sql[at + 1] !== "'") return at + 1;
    at += sql[at] === '\\' || sql[at] === "'" ? 2 : 1;
  }
  return sql.length;
}

/** Absent when it never ends. */
function endOfQuoted(sql: string, from: number): number | undefined {
  let quote = sql.indexOf('"', from);
  while (quote >= 0 && sql[quote + 1] === '"') quote = sql.indexOf('"', quote + 2);
  return quote < 0 ? undefined : quote + 1;
}

/** Comments hold comments. */
function endOfBlock(sql: string, from: number): number {
  const bounds = /\/\*|\*\//g;
  bounds.lastIndex = from;
  let depth = 0;
  for (let bound = bounds.exec(sql); bound; bound = bounds.exec(sql)) {
    depth += bound[0] === '/*' ? 1 : -1;
    if (depth === 0) return bounds.lastIndex;
  }
  return sql.length;
}
