/**
 * Your own programs as a target. Each is a list of arguments, run without a shell in the plan's folder; it has to
 * be safe to repeat and exits 0 when it is done. `status` and `prepare` print JSON.
 */
import { z } from 'zod';
import type { Release } from '../../../contract/activities.js';
import { ChildStartError, type runChild } from '../../../platform/children.js';
import { invalid, notPermitted } from '../../../platform/failures.js';
import { parseEvidence } from '../../../platform/json.js';
import { LONGEST_LOG_BYTES, type Target, type TargetCall, type TargetStatus } from '../target.js';
import { wholeLines } from '../whole-lines.js';
import { type Config, traits } from './schema.js';

export interface CommandTargetDeps {
  runChild: typeof runChild;
  /** The worker's capability `command`: a program that a plan names runs with the worker's rights. */
  commandsEnabled: boolean;
}

const LONGEST_ERROR = 600;

/** They stand in history, environment, details and notices. */
const word = z.string().regex(/^[^\p{Cc}\p{Cf}]{1,200}$/u);
const releaseSchema = z.object({
  id: word,
  version: word,
  url: z
    .string()
    .max(2_048)
    .refine((text) => URL.canParse(text)),
});
const statusSchema = z.object({ live: releaseSchema, candidate: releaseSchema.nullable() });

type Verb = keyof Config;

export function createCommandTarget(deps: CommandTargetDeps): Target<Config> {
  const run = (call: TargetCall<Config>, verb: Verb, release?: Release) =>
    runCommand(deps, call, verb, release);
  return {
    kind: 'command',
    effect: () => 'detectable',
    files: ({ logs: _logs, previousLogs: _previous, ...verbs }) =>
      Object.values(verbs).flatMap((argv) => argv ?? []),
    staged: (config) => traits.staged({ has: (key) => config[key] !== undefined }),
    status: async (call) => readStatus(await run(call, 'status')),
    prepare: async (call) => readOutput('prepare', await run(call, 'prepare'), releaseSchema),
    promote: async (call, release) => void (await run(call, 'promote', release)),
    async restore(call, release) {
      if (call.config.restore) await run(call, 'restore', release);
      // An opaque target has one way only: the old version is deployed again, and the program has to know which.
      else await run({ ...call, context: { ...call.context, version: release.version } }, 'promote', release);
    },
    async retire(call, release) {
      if (call.config.retire) await run(call, 'retire', release);
    },
    restart: async (call, release) => void (await run(call, 'restart', release)),
    async logs(call, release, which) {
      const verb = which === 'current' ? 'logs' : 'previousLogs';
      return call.config[verb] ? wholeLines(await run(call, verb, release)) : undefined;
    },
  };
}

function readStatus(stdout: string): TargetStatus {
  return readOutput('status', stdout, statusSchema);
}

function readOutput<T>(verb: Verb, stdout: string, schema: z.ZodType<T>): T {
  const expected =
    verb === 'status' ? '{"live":{"id","version","url"},"candidate":{…}|null}' : '{"id","version","url"}';
  const json = parseEvidence(stdout);
  if (json === undefined) {
    throw invalid(
      `The command target's ${verb} printed no JSON, or a key twice; expected ${expected} on stdout.`,
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map(({ path }) => path.join('.') || 'all of it');
  throw invalid(
    `The command target's ${verb} printed something else than ${expected}. Look at ${places.join(', ')}: id and version have 1 to 200 characters that can be seen, url is an address.`,
  );
}

/** @returns stdout @throws Error that may be repeated when it exits other than 0 */
async function runCommand(
  { runChild: start, commandsEnabled }: CommandTargetDeps,
  call: TargetCall<Config>,
  verb: Verb,
  release?: Release,
): Promise<string> {
  if (!commandsEnabled) {
    throw notPermitted(
      'Command targets are off on this worker. Start it with: headgate worker --enable command',
    );
  }
  const [file, ...args] = call.config[verb] ?? [];
  if (file === undefined) throw invalid(`The command target has no ${verb}. Add ${verb}: […] to the plan.`);
  try {
    const { exitCode, signal, stdout, stderr } = await start({
      file,
      args,
      cwd: call.context.directory,
      env: {
        HEADGATE_ROLLOUT_ID: call.context.runId,
        HEADGATE_STAGE: call.stage,
        HEADGATE_VERSION: call.context.version,
        HEADGATE_RELEASE: release?.id ?? '',
      },
      signal: call.signal,
      outputLimitBytes: LONGEST_LOG_BYTES,
    });
    if (exitCode === 0) return stdout;
    const end = exitCode === null ? `by ${signal}` : `with ${exitCode}`;
    const said = (stderr.trim() || stdout.trim()).slice(-LONGEST_ERROR);
    throw new Error(`${verb} ("${file}") ended ${end}${said ? `: ${said}` : ' and said nothing'}`);
  } catch (error) {
    if (error instanceof ChildStartError && error.code !== 'EGUARDIAN') throw invalid(error.message);
    throw error;
  }
}
