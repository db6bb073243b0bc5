#!/usr/bin/env node
/** The command line: which commands there are. Each is loaded when it is asked for, the worker and the sandbox by theirs only. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { type Context, collectVariable, EXIT } from './context.js';
import { Output } from './output.js';

type Action = (context: Context) => Promise<number>;

function build(run: (action: Action) => void): Command {
  const program = new Command('headgate')
    .description('Durable rollouts on Temporal: promoted or restored.')
    .version(readVersion())
    .option('--json', 'newline-delimited JSON on stdout; the last line is the outcome')
    .exitOverride()
    .showHelpAfterError('(headgate --help)');
  const json = () => new Option('--json', 'newline-delimited JSON on stdout').hideHelp();
  const command = (usage: string, description: string) =>
    program.command(usage).description(description).addOption(json());
  const variable = () =>
    new Option('--var <name=value>', 'overrides a variable of the plan; may be repeated').argParser(
      collectVariable,
    );

  command('plan <file>', 'parse, lint and budget a plan; without --offline also what would change now')
    .option('--offline', 'the file alone: no Temporal, no worker')
    .addOption(variable())
    .option(
      '--out <file>',
      'write plan and preview there, as JSON; a plan file with variables put in where it ends in .yaml',
    )
    .action((file, options) =>
      run(async (context) => (await import('./commands/plan.js')).plan(context, file, options)),
    );
  command('start <file>', 'start a rollout and print its name')
    .addOption(variable())
    .option('--by <id>', 'who starts it (recorded as unverified, unless it is signed)')
    .option('--key <file>', 'SSH key that signs the start, for plans whose approvals have an identity')
    .option('--watch', "stay, and exit with the outcome's code")
    .action((file, options) =>
      run(async (context) => (await import('./commands/start.js')).start(context, file, options)),
    );
  command('watch <rollout>', "the live checklist, until the outcome; exits with the outcome's code").action(
    (rollout) => run(async (context) => (await import('./commands/watch.js')).watch(context, rollout)),
  );
  command('status <rollout>', 'how it stands, and what it waits for').action((rollout) =>
    run(async (context) => (await import('./commands/status.js')).status(context, rollout)),
  );
  command('list', 'every rollout, the newest first').action(() =>
    run(async (context) => (await import('./commands/status.js')).list(context)),
  );

  for (const name of ['approve', 'reject'] as const) {
    command(`${name} <rollout> [gate]`, `${name} what a gate shows; bound to its digest`)
      .option('--digest <digest>', 'what was seen; with --yes nobody is asked')
      .option('--by <id>', 'who answers (recorded as unverified, unless it is signed)')
      .option('--key <file>', 'SSH key that signs the answer, for gates with identity: ssh')
      .option('--reason <text>', 'why')
      .option('--yes', 'do not ask')
      .action((rollout, gate, options) =>
        run(async (context) =>
          (await import('./commands/answer.js')).answerGate(context, name, rollout, gate, options),
        ),
      );
  }
  const answers = [
    ['abort', '<rollout>', 'end it and take everything back'],
    ['hold', '<rollout>', 'no new step starts'],
    ['resume', '<rollout>', 'goes on after hold'],
    ['retry', '<rollout> [step]', 'answer to a rollout that asks: again'],
    ['skip', '<rollout> <step>', 'answer to a rollout that asks: let it pass (with --reason)'],
    ['accept', '<rollout>', 'close a rollback that could not be completed, as it is'],
  ] as const;
  for (const [name, parameters, description] of answers) {
    command(`${name} ${parameters}`, description)
      .option('--by <id>', 'who answers (recorded as unverified)')
      .option('--reason <text>', 'why')
      .action((rollout, ...rest) => {
        const command_ = rest.at(-1) as Command;
        const step = typeof rest[0] === 'string' ? rest[0] : undefined;
        run(async (context) =>
          (await import('./commands/answer.js')).answer(context, name, rollout, step, command_.opts()),
        );
      });
  }

  command('undo <rollout>', 'take back a run that was terminated, or promoted and regretted')
    .option('--by <id>', 'who takes it back (recorded as unverified)')
    .option('--reason <text>', 'why')
    .option('--watch', "stay, and exit with the outcome's code")
    .action((rollout, options) =>
      run(async (context) => (await import('./commands/undo.js')).undo(context, rollout, options)),
    );
  command('report <rollout>', 'what was done and measured; works without a worker')
    .addOption(new Option('--format <format>', 'md or json').choices(['md', 'json']).default('md'))
    .action((rollout, options) =>
      run(async (context) => (await import('./commands/report.js')).report(context, rollout, options)),
    );
  command('doctor', 'what is reachable, missing, not permitted, and what to do')
    .option('--register', 'register the search attributes that the namespace lacks')
    .action((options) =>
      run(async (context) => (await import('./commands/doctor.js')).doctor(context, options)),
    );
  command('worker', 'poll the task queues, where the credentials are')
    .option('--enable <capabilities>', 'run, command: what runs programs that a plan names')
    .option('--pid-file <file>', 'written when it polls, removed when it has stopped')
    .action((options) =>
      run(async (context) => (await import('./commands/worker.js')).worker(context, options)),
    );
  command('sandbox <verb> [name]', 'a real local world: up, down, status, fault NAME').action((verb, name) =>
    run(async (context) => (await import('./commands/sandbox.js')).sandbox(context, verb, name)),
  );
  command('demo', "the document's story on real local parts")
    .addOption(new Option('--fail <what>', 'load, regression or abort'))
    .option('--interactive', 'you approve')
    .option('--keep', 'the sandbox stays up')
    .action((options) => run(async (context) => (await import('./commands/demo.js')).demo(context, options)));
  return program;
}

/** dist/src/cli → the folder of package.json. */
function readVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
  );
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

function createOutput(argv: string[]): Output {
  const { stdout, stderr, env } = process;
  return new Output({
    json: argv.includes('--json'),
    terminal: stdout.isTTY === true && env.TERM !== 'dumb',
    color: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    // A terminal that does not tell its size says 0.
    columns: stdout.isTTY ? stdout.columns || 120 : Number.POSITIVE_INFINITY,
    rows: stdout.rows || 50,
    stdout: (text) => stdout.write(text),
    stderr: (text) => stderr.write(text),
  });
}

async function openSources() {
  const { createSources } = await import('../tools/git/sources.js');
  const { loadSettings } = await import('../platform/settings.js');
  return createSources({ env: process.env, home: loadSettings().home });
}

async function openArtifacts() {
  const { createArtifactStore } = await import('../tools/aws/artifact-store.js');
  const { loadSettings } = await import('../platform/settings.js');
  const { Redactor } = await import('../platform/redaction.js');
  return createArtifactStore(loadSettings(), new Redactor());
}

async function main(argv: string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure.
  process.stdout.on('error', () => process.exit());
  const output = createOutput(argv);
  const interrupt = new AbortController();
  const context: Context = {
    output,
    interrupted: interrupt.signal,
    loadSandbox: () => import('../../sandbox/index.js'),
    loadWorker: () => import('../worker.js'),
    loadSources: openSources,
    loadArtifacts: openArtifacts,
  };
  let action: Action | undefined;
  const program = build((chosen) => {
    action = chosen;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => interrupt.abort(new Error('interrupted')));
    }
    const exitCode = (await action?.(context)) ?? 0;
    output.conclude(exitCode);
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      const exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
      if (exitCode !== 0) output.line({ type: 'error', data: { code: 'usage', message: error.message } });
      output.conclude(exitCode);
      return exitCode;
    }
    if (interrupt.signal.aborted) {
      output.conclude(EXIT.interrupted);
      return EXIT.interrupted;
    }
    const { asCommandError } = await import('./loading.js');
    const { exitCode, code, message } = asCommandError(error);
    output.note(message);
    output.line({ type: 'error', data: { code, message } });
    output.conclude(exitCode);
    return exitCode;
  }
}

process.exitCode = await main(process.argv.slice(2));
// Handles of closed connections keep the process for seconds; everything has been written by then.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit();
