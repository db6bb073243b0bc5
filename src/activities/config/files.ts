/** The files that a `config` step works with: the dotenv file, and what lies beside it. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { ConfigFound, ConfigInput } from '../../contract/activities.js';
import { configBackup } from '../../contract/mend.js';
import type { DotenvPlace } from '../../plan/resolved.js';
import { invalid } from '../../platform/failures.js';
import type { References } from '../../platform/references.js';
import type { FileHost, HostFile } from '../../tools/dotenv/files.js';
import type { DotenvTexts } from '../../tools/dotenv/index.js';

export interface ConfigDeps {
  /** The host of a place; `signal` ends what is under way there. */
  openHost(place: DotenvPlace, signal: AbortSignal): FileHost;
  texts: DotenvTexts;
  references: Pick<References, 'resolveText'>;
}

export type ConfigCall = ConfigInput & { base: ConfigFound };

export interface OpenFile {
  host: FileHost;
  file: HostFile;
  found: ConfigFound;
  /** `found.file` when no link had been followed. */
  written: string;
}

/** What lies beside the file. */
export interface ConfigNames {
  /** The exact bytes of before. */
  backup: string;
  /** What this step wrote, as digests. */
  record: string;
  /** What the names of this rollout's files begin with. */
  ownPrefix: string;
}

/** What tells a later attempt, or the undo, that what it finds was written by this step. Digests, never a value. */
export interface ConfigRecord {
  /** Of the whole file as written. */
  sha256: string;
  /** By key, of the values that were set. */
  values: Record<string, string>;
}

/** @throws ApplicationFailure `Invalid` when there is no such file */
export async function openFile(deps: ConfigDeps, input: ConfigInput, signal: AbortSignal): Promise<OpenFile> {
  const open = await findFile(deps, input, signal);
  if (open) return open;
  const { place } = input.step.config;
  throw invalid(
    `${nameOf(place, place.file)} does not exist. Create it with what the application needs, or correct "file" in the plan; Headgate changes a file that is there.`,
  );
}

export async function findFile(
  deps: ConfigDeps,
  input: ConfigInput,
  signal: AbortSignal,
): Promise<OpenFile | undefined> {
  const { place } = input.step.config;
  const host = deps.openHost(place, signal);
  const path = await pathOf(deps, input);
  const file = await host.read(path);
  if (!file) return undefined;
  return {
    host,
    file,
    found: {
      file: nameOf(place, hasReference(place) ? place.file : file.path),
      sha256: sha256(file.bytes),
      mode: file.mode.toString(8).padStart(4, '0'),
    },
    written: nameOf(place, hasReference(place) ? place.file : path),
  };
}

/** A relative path of the worker counts from the plan's folder. */
export async function pathOf({ references }: ConfigDeps, input: ConfigInput): Promise<string> {
  const { place } = input.step.config;
  const path = await references.resolveText(place.file, subjectOf(input));
  return place.kind === 'local' ? resolve(input.context.directory, path) : path;
}

/** As a person would name it: `host:/app/.env`. What came out of a reference is not repeated. */
export function nameOf(place: DotenvPlace, path: string): string {
  return place.kind === 'ssh' ? `${place.host}:${path}` : path;
}

export function hasReference(place: DotenvPlace): boolean {
  return place.file.includes('${');
}

/** @param path with every symbolic link followed */
export function namesOf(path: string, { context, step }: ConfigInput): ConfigNames {
  const ownPrefix = `${path}.headgate-${context.runId}-`;
  const backup = configBackup(path, context.runId, step.name);
  return { backup, record: backup.replace(/bak$/, 'json'), ownPrefix };
}

export function encodeRecord(record: ConfigRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

/** Without a record this step has not replaced the file. */
export async function readBeside(
  host: FileHost,
  { backup, record }: ConfigNames,
): Promise<{ backup?: Buffer; record?: ConfigRecord }> {
  const [bytes, written] = await host.readPrivate([backup, record]);
  return { backup: bytes, record: written && JSON.parse(written.toString('utf8')) };
}

/** Keys of the plan with their values, references resolved. */
export async function wantedValues(
  { references }: ConfigDeps,
  input: ConfigInput,
): Promise<Map<string, string>> {
  const wanted = new Map<string, string>();
  for (const [key, written] of Object.entries(input.step.config.set)) {
    wanted.set(key, await references.resolveText(written, subjectOf(input)));
  }
  return wanted;
}

/** The file as this step wants it. @throws ApplicationFailure `Invalid` when a value cannot be written */
export function applyTo(
  { texts }: ConfigDeps,
  { file, found }: OpenFile,
  wanted: Map<string, string>,
): { bytes: Buffer; changedKeys: string[] } {
  if (file.bytes.includes(0)) {
    throw invalid(`${found.file} is no dotenv file: it holds NUL bytes (UTF-16?). Save it as UTF-8.`);
  }
  let { bytes } = file;
  const changedKeys: string[] = [];
  for (const [key, value] of wanted) {
    if (texts.values(bytes).get(key) === value) continue;
    const edited = texts.set(bytes, key, value);
    if (!edited) throw cannotBeWritten(found.file, key);
    bytes = edited;
    changedKeys.push(key);
  }
  return { bytes, changedKeys };
}

function cannotBeWritten(file: string, key: string) {
  if (!/^[\w.-]+$/.test(key)) {
    return invalid(
      `${file}: "${key}" cannot be a key of a dotenv file; expected letters, digits, "_", "." and "-".`,
    );
  }
  return invalid(
    `${file}: no way of quoting carries the value of ${key} so that dotenv and Node read it back as it is. Leave carriage returns out of it, or one kind of quote.`,
  );
}

export function digestValue(key: string, value: string): string {
  return sha256(`${key}\0${value}`);
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export function short(digest: string): string {
  return digest.slice(0, 12);
}

function subjectOf({ context, step }: ConfigInput) {
  return { context, stage: step.stage, step: step.name };
}
