/**
 * Edits single keys of a dotenv file. Every other byte stays: comments, order, quoting, line ends, a byte order mark,
 * a missing final newline, even bytes that are no UTF-8.
 *
 * What a file says is decided by the `dotenv` package itself, never by a parser of ours: an edit is proposed, read
 * back by `dotenv` and by Node's `parseEnv`, and taken only if both see the new value and no other difference. Where
 * Node is led astray by the lines around the key (some versions are, by a line of spaces), `dotenv` alone decides.
 */
import { isUtf8 } from 'node:buffer';
import { parseEnv } from 'node:util';
import { parse } from 'dotenv';

export interface DotenvTexts {
  /** Keys and values as `dotenv` reads them; of a key that occurs twice the last one counts. */
  values(bytes: Buffer): Map<string, string>;
  /** Would Node's own parser see a plain value where `dotenv` sees it? If not, only `dotenv` is asked about the key. */
  isSeenByNode(bytes: Buffer, key: string): boolean;
  /** The file with `key` set where it is in force, or added at the end; undefined when no quoting carries `value`. */
  set(bytes: Buffer, key: string, value: string): Buffer | undefined;
  /** The file with `key` written as it is in `base`, or without it; undefined when that cannot be had. */
  putBack(bytes: Buffer, base: Buffer, key: string): Buffer | undefined;
}

export const dotenvTexts: DotenvTexts = { values, isSeenByNode, set, putBack };

type Quote = '' | "'" | '"' | '`';

type Reader = (bytes: Buffer) => Map<string, string>;

interface Entry {
  keyStart: number;
  /** The value with its quotes, without the white space around it. */
  valueStart: number;
  valueEnd: number;
  quote: Quote;
}

/** `dotenv`'s own pattern, with a name for each part. */
const LINE =
  /^\s*(?:export\s+)?(?<key>[\w.-]+)(?<equals>\s*=\s*?|:\s+?)(?<raw>\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/dgm;
const BYTE_ORDER_MARK = '\uFEFF';
/** Means the same to a shell that reads the file. */
const PLAIN = /^[\w.,:/@%+=-]*$/;

function values(bytes: Buffer): Map<string, string> {
  return new Map(Object.entries(parse(bytes)));
}

/** Without a byte order mark, which Node would take for a part of the first key. */
function valuesInNode(bytes: Buffer): Map<string, string> {
  const text = bytes.toString('utf8');
  const parsed = parseEnv(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
  return new Map(Object.entries(parsed).map(([key, value]) => [key, value ?? '']));
}

function isSeenByNode(bytes: Buffer, key: string): boolean {
  return isOnlyChange(bytes, write(bytes, key, '0'), key, '0', [valuesInNode]);
}

function readersOf(bytes: Buffer, key: string): Reader[] {
  return isSeenByNode(bytes, key) ? [values, valuesInNode] : [values];
}

function set(bytes: Buffer, key: string, value: string): Buffer | undefined {
  const present = findInForce(bytes.toString(encodingOf(bytes)), key)?.quote;
  const readers = readersOf(bytes, key);
  return renderings(value, present)
    .map((raw) => write(bytes, key, raw))
    .find((edited) => isOnlyChange(bytes, edited, key, value, readers));
}

function write(bytes: Buffer, key: string, rendering: string): Buffer {
  const encoding = encodingOf(bytes);
  const content = bytes.toString(encoding);
  const entry = findInForce(content, key);
  const raw = Buffer.from(rendering).toString(encoding);
  return Buffer.from(entry ? splice(content, entry, raw) : append(content, `${key}=${raw}`), encoding);
}

function putBack(bytes: Buffer, base: Buffer, key: string): Buffer | undefined {
  const value = values(base).get(key);
  const encoding = encodingOf(bytes, base);
  const content = bytes.toString(encoding);
  const entry = findInForce(content, key);
  if (!entry) return value === undefined ? bytes : set(bytes, key, value);
  const edited = Buffer.from(
    value === undefined
      ? removeLine(content, entry)
      : splice(content, entry, rawIn(base.toString(encoding), key)),
    encoding,
  );
  if (isOnlyChange(bytes, edited, key, value, readersOf(bytes, key))) return edited;
  return value === undefined ? undefined : set(bytes, key, value);
}

/** The proof of every edit. */
function isOnlyChange(
  before: Buffer,
  after: Buffer,
  key: string,
  value: string | undefined,
  readers: Reader[],
): boolean {
  return readers.every((read) => {
    const now = read(after);
    return now.get(key) === value && sameBut(key, read(before), now);
  });
}

function sameBut(key: string, before: Map<string, string>, after: Map<string, string>): boolean {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].every((other) => other === key || before.get(other) === after.get(other));
}

/** The quoting that is there first, then the least of it that means the same to everybody. */
function renderings(value: string, present: Quote | undefined): string[] {
  const bare: Quote[] = PLAIN.test(value) ? [''] : [];
  const quotes: Quote[] = value.includes('\n') ? ['"', "'", '`'] : ["'", '"', '`'];
  const inOrder = [...(present === undefined ? [] : [present]), ...bare, ...quotes];
  return [...new Set(inOrder)].map((quote) => render(value, quote));
}

function render(value: string, quote: Quote): string {
  const content = quote === '"' ? value.replaceAll('\n', '\\n').replaceAll('\r', '\\r') : value;
  return quote + content + quote;
}

function findInForce(content: string, key: string): Entry | undefined {
  let found: Entry | undefined;
  for (const match of content.matchAll(LINE)) {
    if (match.groups?.key === key) found = entryOf(match);
  }
  return found;
}

function entryOf(match: RegExpExecArray): Entry {
  const { key, equals, raw } = match.indices?.groups ?? {};
  const content = match.groups?.raw ?? '';
  const trimmed = content.trim();
  // Where there is nothing but space, the value goes in front of it: a comment behind keeps its distance.
  const indent = trimmed === '' ? 0 : content.length - content.trimStart().length;
  const valueStart = (raw?.[0] ?? equals?.[1] ?? 0) + indent;
  return {
    keyStart: key?.[0] ?? 0,
    valueStart,
    valueEnd: valueStart + trimmed.length,
    quote: quoteOf(trimmed),
  };
}

function quoteOf(raw: string): Quote {
  const quote = (["'", '"', '`'] as const).find((one) => raw.startsWith(one));
  return quote && raw.length > 1 && raw.endsWith(quote) ? quote : '';
}

function rawIn(content: string, key: string): string {
  const entry = findInForce(content, key);
  return entry ? content.slice(entry.valueStart, entry.valueEnd) : '';
}

function splice(content: string, { valueStart, valueEnd }: Entry, raw: string): string {
  return content.slice(0, valueStart) + raw + content.slice(valueEnd);
}

/** In the line ends of the file, and without a final one where it has none. */
function append(content: string, line: string): string {
  const newline = content.match(/\r\n|\n/g)?.at(-1) ?? '\n';
  const isEmpty = content.replace(BYTE_ORDER_MARK, '') === '';
  if (isEmpty || content.endsWith('\n')) return content + line + newline;
  return content + newline + line;
}

function removeLine(content: string, { keyStart, valueEnd }: Entry): string {
  const start = content.lastIndexOf('\n', keyStart) + 1;
  const newline = content.indexOf('\n', valueEnd);
  if (newline !== -1) return content.slice(0, start) + content.slice(newline + 1);
  // It was the last line, and there was no final newline.
  return content.slice(0, start).replace(/\r?\n$/, '');
}

/** UTF-8 where it is; else byte by byte, so that what is in no alphabet survives. */
function encodingOf(...files: Buffer[]): 'utf8' | 'latin1' {
  return files.every((bytes) => isUtf8(bytes)) ? 'utf8' : 'latin1';
}
