/**
 * `npm run bench`: what speed and size are kept by. Every figure is measured beside something in the same run, so
 * that what is compared is a ratio and not two machines. It never fails for a figure, only for a measure that
 * could not be made; docs/performance.md says how each is made.
 */
import { parseArgs } from 'node:util';
import { describeError } from './describe-error.js';
import { describeMachine } from './machine.js';
import { renderBreakdown, renderMachine, renderRows } from './print.js';
import type { Result } from './row.js';
import { Session } from './session.js';

type Measure = (session: Session) => Promise<Result>;

/** Loaded when it is asked for. */
const MEASURES: Record<string, () => Promise<Measure>> = {
  startup: async () => (await import('./startup.js')).measureStartup,
  overhead: async () => (await import('./overhead.js')).measureOverhead,
  replay: async () => (await import('./replay.js')).measureReplay,
  history: async () => (await import('./history.js')).measureHistory,
  restoration: async () => (await import('./restoration.js')).measureRestoration,
  monitors: async () => (await import('./monitors.js')).measureMonitors,
  dropped: async () => (await import('./dropped-requests.js')).measureDroppedRequests,
};

const USAGE = `npm run bench [-- --only ${Object.keys(MEASURES).join(',')}] [--quick] [--json]`;
const EXIT_USAGE = 2;
const EXIT_BY_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

interface Options {
  names: string[];
  quick: boolean;
  json: boolean;
}

const options = readOptions();
// Every server is the benchmark's own, whatever this shell is set to.
for (const name of Object.keys(process.env)) if (/^(TEMPORAL|AWS)_/.test(name)) delete process.env[name];
const session = await Session.create(options.quick, (line) => console.error(line));
for (const [signal, code] of Object.entries(EXIT_BY_SIGNAL)) {
  process.on(signal, () => void endEarly(`${signal}: stopping everything that was started`, code));
}
process.on('uncaughtException', (error) => void endEarly(String(error.stack), 1));
const failed = await run(options);
await end(failed ? 1 : 0);

/** @returns whether a measure could not be made */
async function run({ names, quick, json }: Options): Promise<boolean> {
  const machine = await describeMachine();
  const results: Result[] = [];
  if (json) printJson({ type: 'machine', quick, ...machine });
  for (const name of names) {
    const result = await measure(name);
    // Whoever has interrupted it ends the process.
    if (session.interrupted.aborted) await new Promise(() => {});
    for (const line of result.leftOut ?? []) console.error(`left out: ${line}`);
    for (const line of result.failures ?? []) console.error(`${name} could not be measured: ${line}`);
    if (json) printResult(name, result);
    results.push(result);
  }
  if (!json) printReport(renderMachine(machine, quick), results);
  return results.some(({ failures = [] }) => failures.length > 0);
}

async function measure(name: string): Promise<Result> {
  try {
    const make = await MEASURES[name]?.();
    return make ? await make(session) : { rows: [] };
  } catch (error) {
    return { rows: [], failures: [describeError(error)] };
  } finally {
    await session.endOwned();
  }
}

/** The first reason counts: npm hands a Ctrl-C on once more, and what is being stopped complains about it. */
async function endEarly(why: string, code: number): Promise<void> {
  if (session.interrupted.aborted) return;
  console.error(why);
  await end(code);
}

async function end(code: number): Promise<void> {
  await session.end();
  process.exit(code);
}

function printReport(machine: string, results: Result[]): void {
  const rows = results.flatMap((result) => result.rows);
  const breakdowns = results.flatMap((result) => result.breakdowns ?? []);
  const failures = results.flatMap((result) =>
    (result.failures ?? []).map((line) => `Not measured: ${line}`),
  );
  const leftOut = results.flatMap((result) => (result.leftOut ?? []).map((line) => `Left out: ${line}`));
  console.log(
    [machine, renderRows(rows), ...failures, ...leftOut, ...breakdowns.map(renderBreakdown)].join('\n\n'),
  );
}

function printResult(measure: string, { rows, breakdowns = [], failures = [], leftOut = [] }: Result): void {
  for (const row of rows) printJson({ type: 'row', measure, ...row });
  for (const breakdown of breakdowns) printJson({ type: 'breakdown', measure, ...breakdown });
  for (const message of failures) printJson({ type: 'failure', measure, message });
  for (const message of leftOut) printJson({ type: 'leftOut', measure, message });
}

function printJson(line: Record<string, unknown>): void {
  console.log(JSON.stringify({ v: 1, ...line }));
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'boolean' } },
    });
    const { only, quick = false, json = false } = values;
    const names = only?.split(',') ?? Object.keys(MEASURES);
    const unknown = names.filter((name) => !(name in MEASURES));
    if (unknown.length > 0) throw new Error(`there is no measure ${unknown.join(', ')}`);
    return { names, quick, json };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(EXIT_USAGE);
  }
}
