/**
 * What a person types into a shell, in the plan's folder, to bring back by hand what a rollout could not. References of
 * the plan stay as they are written. Pure.
 */
import type { DeployStep, DotenvPlace, InfraStep, Json } from '../plan/resolved.js';

/** Means itself to every POSIX shell. */
const PLAIN = /^[\w%+,./:=@-]+$/;

/** The words as a shell reads them back, one each. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** A line that puts a whole thing back, for a thing that others have changed too: whoever types it has to know. */
export function droppingOthers(line: string): string {
  return `${line} # drops what others have changed since`;
}

/** The whole file from its backup; a new file would have the backup's own mode. */
export function putFileBackLine(backup: string, file: string, mode: string): string {
  return `${shellLine(['cp', '--', backup, file])} && ${shellLine(['chmod', mode, file])}`;
}

/** Beside the file, of one step of one run. */
export function configBackup(file: string, runId: string, step: string): string {
  return `${file}.headgate-${runId}-${step.replaceAll('/', '-')}.bak`;
}

/** On a terminal, for what may ask. */
export function overSsh({ host, user, port }: Extract<DotenvPlace, { kind: 'ssh' }>, line: string): string {
  const where = user === undefined ? host : `${user}@${host}`;
  const words = ['ssh', '-t', ...(port === undefined ? [] : ['-p', String(port)]), where, line];
  return shellLine(words);
}

type Configuration = Pick<InfraStep['config'], 'tool' | 'directory' | 'backendConfig'>;

/** Asks before it does so: whoever holds the state has to be known to be dead. */
export function unlockStateLine(configuration: Configuration, lockId: string): string {
  return `${initLine(configuration)} && ${callLine(configuration, ['force-unlock', lockId])}`;
}

/** With the variables of the undo, where one is declared. */
export function applyBackLine({
  undo,
  varFiles,
  vars,
  targets,
  ...configuration
}: InfraStep['config']): string {
  const files = (paths: string[] = []) => paths.map((path) => `-var-file=${path}`);
  const values = (given: typeof vars = {}) =>
    Object.entries(given).map(([name, value]) => `-var=${name}=${textOf(value)}`);
  const flags = [
    // The last one wins.
    ...[...files(varFiles), ...values(vars), ...files(undo?.varFiles), ...values(undo?.vars)],
    ...targets.map((target) => `-target=${target}`),
  ];
  return `${initLine(configuration)} && ${callLine(configuration, ['apply', ...flags])}`;
}

function initLine(configuration: Configuration): string {
  const backend = Object.entries(configuration.backendConfig).map(
    ([name, value]) => `-backend-config=${name}=${value}`,
  );
  return callLine(configuration, ['init', '-reconfigure', ...backend]);
}

function callLine({ tool, directory }: Configuration, words: string[]): string {
  return shellLine([tool, `-chdir=${directory}`, ...words]);
}

export interface SecretAddress {
  id: string;
  region?: string;
}

/** @param from version that AWSCURRENT is at; looked up by the line itself when left out */
export function moveSecretLine({ id, region }: SecretAddress, to: string, from?: string): string {
  const where = ['--secret-id', id, ...(region === undefined ? [] : ['--region', region])];
  const current = "Versions[?contains(VersionStages, 'AWSCURRENT')].VersionId";
  const find = ['aws', 'secretsmanager', 'list-secret-version-ids', ...where, '--output', 'text'];
  const move = ['aws', 'secretsmanager', 'update-secret-version-stage', ...where];
  const stage = ['--version-stage', 'AWSCURRENT', '--move-to-version-id', to, '--remove-from-version-id'];
  const left = from ?? `"$(${shellLine(find)} --query "${current}")"`;
  return droppingOthers(`${shellLine([...move, ...stage])} ${left}`);
}

/** One of a command target's programs, with what the worker tells it. */
export function programLine(
  { config: { targetConfig }, stage }: DeployStep,
  verb: 'prepare' | 'promote' | 'restore',
  { runId, version, release }: { runId: string; version: string; release: string },
): string {
  const program = targetConfig[verb];
  const words = Array.isArray(program) ? program.map(textOf) : [];
  const told = { ROLLOUT_ID: runId, STAGE: stage, VERSION: version, RELEASE: release };
  const environment = Object.entries(told).map(([name, value]) => `HEADGATE_${name}=${shellLine([value])}`);
  return [...environment, shellLine(words)].join(' ');
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
