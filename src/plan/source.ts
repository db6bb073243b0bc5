/** From the text of a plan file to plain JSON, with the place of every key and value. Never throws. */
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, parseDocument, type YAMLError } from 'yaml';
import type { FaultList, Locator, Place } from './fault-list.js';
import { type Path, showFound, showPath } from './faults.js';
import type { Json } from './resolved.js';

const LARGEST_BYTES = 256 * 1024;
const DEEPEST = 50;
/** `!!str` and the like say what plain YAML can say, too. */
const PLAIN_TAG = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/;
/** What aliases expand to counts every time: a few lines can otherwise fill the memory. */
const MOST_VALUES = 10_000;
/** So many directives are told of. */
const MOST_WARNINGS = 20;

export interface Source {
  json: Json;
  locator: Locator;
}

/** `undefined` when there is nothing to go on with; the faults say why. */
export function readSource(text: string, faults: FaultList): Source | undefined {
  if (!isReadableText(text, faults)) return undefined;
  const document = parseYaml(text, faults);
  if (!document) return undefined;
  const placeOf = placesIn(text);
  const reader = new NodeReader(faults, placeOf, (node) =>
    isAlias(node) ? node.resolve(document) : undefined,
  );
  faults.locateBy(reader);
  for (const error of document.errors) addYamlError(error, placeOf, faults);
  for (const { pos, code } of document.warnings.slice(0, MOST_WARNINGS)) {
    // Of tags and aliases the reader tells, who knows where they stand.
    if (code === 'BAD_DIRECTIVE') addDirectiveFault(placeOf(pos[0]), faults);
  }
  if (document.errors.length > 0) return undefined;
  const json = reader.read(document.contents, []);
  // What was left unread would be said to be missing, a thousand times.
  if (faults.faults.some(({ code }) => code === 'tooComplex')) return undefined;
  if (json !== null && typeof json === 'object' && !Array.isArray(json)) return { json, locator: reader };
  if (faults.faults.length === 0) addNotAMap(json, faults);
  return undefined;
}

function isReadableText(text: string, faults: FaultList): boolean {
  if (Buffer.byteLength(text) > LARGEST_BYTES) {
    const found = 'more than that';
    const message = 'The file is too large for a plan.';
    const fix = 'Check that this is the plan; keep payloads and scripts in files of their own.';
    faults.add({ code: 'syntax', path: [], message, expected: 'at most 256 KiB', found, fix });
    return false;
  }
  const offset = text.search(/[\0\uFFFD]/);
  if (offset < 0) return true;
  const before = text.slice(0, offset).split('\n');
  const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  faults.add({
    code: 'syntax',
    path: [],
    place,
    message: 'The file is not text in UTF-8.',
    expected: 'UTF-8 without NUL bytes',
    found: text[offset] === '\0' ? 'a NUL byte (is it UTF-16?)' : 'bytes that are no UTF-8',
    fix: 'Save it as UTF-8.',
  });
  return false;
}

/** Not the library's own counter: it loses lines after an error. */
function placesIn(text: string): (offset: number) => Place {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.max(1, offset - (starts[low] ?? 0) + 1) };
  };
}

function parseYaml(text: string, faults: FaultList) {
  try {
    return parseDocument(text, {
      prettyErrors: false,
      version: '1.2',
      // Silent it would read the first of several documents and say nothing of the others.
      logLevel: 'error',
      // What they make of a value is no JSON.
      resolveKnownTags: false,
      // It compares each key with every other one: forty thousand keys would take it most of a minute.
      uniqueKeys: false,
    });
  } catch {
    faults.add(tooComplex([], 'it is nested too deep'));
    return undefined;
  }
}

function tooComplex(path: Path, why: string) {
  return {
    code: 'tooComplex' as const,
    path,
    message: `The plan cannot be read: ${why}.`,
    expected: `at most ${DEEPEST} levels and ${MOST_VALUES} values, aliases written out`,
    fix: 'Write it out flat, without aliases of aliases.',
  };
}

/** A list of errors after the first one is mostly a list of its consequences. */
function addYamlError(error: YAMLError, placeOf: (offset: number) => Place, faults: FaultList): void {
  const place = placeOf(error.pos[0]);
  if (faults.faults.some(({ code }) => code === 'syntax' || code === 'tooComplex')) return;
  if (error.code === 'RESOURCE_EXHAUSTION') {
    faults.add({ ...tooComplex([], 'it is nested too deep'), place });
    return;
  }
  const several = error.code === 'MULTIPLE_DOCS';
  faults.add({
    code: 'syntax',
    path: [],
    place,
    message: several
      ? 'The file holds more than one document.'
      : `This is not YAML: ${firstLine(error.message)}.`,
    expected: several ? 'one plan in one file' : 'YAML 1.2',
    fix: several
      ? 'Put each plan into a file of its own and remove the line "---".'
      : 'Mend this place first; the rest of the file is checked afterwards.',
  });
}

function addDirectiveFault(place: Place, faults: FaultList): void {
  const message = 'A directive ("%…") means nothing here.';
  const fix = 'Remove the line; put text that begins with "%" in quotes.';
  faults.add({ code: 'syntax', path: [], place, message, expected: 'plain YAML', fix });
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/[.:]\s*$/, '');
}

function addNotAMap(json: Json, faults: FaultList): void {
  const empty = json === null;
  faults.add({
    code: empty ? 'empty' : 'wrongType',
    path: [],
    message: empty ? 'The file is empty.' : 'The file is not a plan.',
    expected: 'a map with apiVersion, application, version and stages',
    found: empty ? 'nothing' : Array.isArray(json) ? 'a list' : `a single ${typeof json}`,
    fix: 'Begin with "apiVersion: headgate/v1".',
  });
}

interface Seen {
  key?: Place;
  value: Place;
}

/** Walks the nodes once, writes aliases out, and remembers where everything stood. */
class NodeReader implements Locator {
  readonly #faults: FaultList;
  readonly #placeOf: (offset: number) => Place;
  readonly #follow: (node: Node) => Node | undefined;
  readonly #seen = new Map<string, Seen>();
  readonly #open = new Set<Node>();
  #values = 0;

  constructor(
    faults: FaultList,
    placeOf: (offset: number) => Place,
    follow: (node: Node) => Node | undefined,
  ) {
    this.#faults = faults;
    this.#placeOf = placeOf;
    this.#follow = follow;
  }

  value(path: Path): Place {
    return this.#nearest(path).value;
  }

  key(path: Path): Place {
    const { key, value } = this.#nearest(path);
    return key ?? value;
  }

  /** What is not there is looked for where it should be. */
  #nearest(path: Path): Seen {
    for (let length = path.length; length >= 0; length -= 1) {
      const seen = this.#seen.get(showPath(path.slice(0, length)));
      if (!seen) continue;
      return length === path.length ? seen : { ...seen, value: seen.key ?? seen.value };
    }
    const start = { line: 1, column: 1 };
    return { key: start, value: start };
  }

  read(node: unknown, path: Path, key?: Place, at?: Place): Json {
    const value = toNode(node);
    const written = !(isScalar(value) && value.source === '');
    const place = at ?? (value?.range && (written || !key) ? this.#placeOf(value.range[0]) : key);
    this.#seen.set(showPath(path), { key, value: place ?? { line: 1, column: 1 } });
    if (!value) return null;
    this.#values += 1;
    if (this.#values > MOST_VALUES) return this.#giveUp([], 'it holds too many values');
    if (path.length > DEEPEST) return this.#giveUp(path, 'it is nested too deep');
    if (isAlias(value)) return this.#readAlias(value, path, key, place);
    if (value.tag !== undefined && !PLAIN_TAG.test(value.tag)) return this.#refuseTag(value, path, place);
    if (isScalar(value)) return this.#readScalar(value.value, path);
    if (this.#open.has(value)) return this.#giveUp(path, 'an alias contains itself');
    this.#open.add(value);
    const json = isMap(value) ? this.#readMap(value.items, path, at) : this.#readList(value, path, at);
    this.#open.delete(value);
    return json;
  }

  #giveUp(path: Path, why: string): null {
    if (!this.#faults.faults.some(({ code }) => code === 'tooComplex'))
      this.#faults.add(tooComplex(path, why));
    return null;
  }

  /** Faults in what an alias stands for are shown at the alias. */
  #readAlias(alias: Node, path: Path, key?: Place, place?: Place): Json {
    if (this.#faults.faults.some(({ code }) => code === 'tooComplex')) return null;
    const meant = this.#follow(alias);
    if (meant) return this.read(meant, path, key, place);
    this.#faults.add({
      code: 'syntax',
      path,
      place,
      message: 'An alias ("*…") stands for nothing.',
      expected: 'the name of an anchor ("&…") before it',
      fix: 'Write the value out; put text that begins with "*" in quotes.',
    });
    return null;
  }

  #refuseTag(node: Node, path: Path, place?: Place): null {
    this.#faults.add({
      code: 'syntax',
      path,
      place: node.range ? this.#placeOf(node.range[0]) : place,
      message: 'A tag ("!…") means nothing here.',
      expected: 'plain YAML',
      fix: 'Remove the tag; put text that begins with "!" in quotes.',
    });
    return null;
  }

  #readScalar(value: unknown, path: Path): Json {
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER)
      return value;
    this.#faults.add({
      code: 'badNumber',
      path,
      message: `${showPath(path)} is a number that cannot be kept exactly.`,
      expected: 'a finite number of at most 9007199254740991',
      found: showFound(value),
      fix: 'Put it in quotes if it is not meant as a number.',
    });
    return null;
  }

  #readList(node: Node, path: Path, at?: Place): Json {
    const items = isSeq(node) ? node.items : [];
    return items.map((item, index) => this.read(item, [...path, index], undefined, at));
  }

  #readMap(pairs: Pair[], path: Path, at?: Place): Json {
    const map: { [key: string]: Json } = {};
    const repeated = new Set<string>();
    for (const { key, value } of pairs) {
      const keyNode = toNode(key);
      const place = at ?? (keyNode?.range ? this.#placeOf(keyNode.range[0]) : undefined);
      const name = isScalar(keyNode) ? nameOfKey(keyNode.value) : undefined;
      if (name === undefined || name === '' || name === '__proto__') {
        this.#addBadKey(path, name, place);
      } else if (Object.hasOwn(map, name)) {
        if (!repeated.has(name)) this.#addRepeatedKey([...path, name], place);
        repeated.add(name);
      } else {
        map[name] = this.read(value, [...path, name], place, at);
      }
    }
    return map;
  }

  /** Of the first of the two everything else is said, too. */
  #addRepeatedKey(path: Path, place?: Place): void {
    this.#faults.add({
      code: 'duplicateKey',
      path,
      place,
      masks: false,
      message: 'The same key stands twice in one map.',
      expected: 'each key once',
      fix: 'Keep one of the two.',
    });
  }

  #addBadKey(path: Path, name: string | undefined, place?: Place): void {
    if (this.#faults.covers([...path, name ?? ''])) return;
    this.#faults.add({
      code: 'badKey',
      path: [...path, name ?? ''],
      place,
      message: 'This cannot be a key.',
      expected: 'a word',
      found: name === undefined ? 'something that is not a word' : `"${name}"`,
      fix: 'Write a word, in quotes if need be.',
    });
  }
}

function nameOfKey(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function toNode(value: unknown): Node | undefined {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value) ? value : undefined;
}
