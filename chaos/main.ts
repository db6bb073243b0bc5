/**
 * `npm run chaos`: random rollouts with random faults on real parts, each judged from outside against design §3. Run i
 * of seed S has the seed S + i and is repeated by that seed alone; docs/reliability.md says how it is made.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Session } from '../bench/session.js';
import { ensureMoto } from '../sandbox/moto.js';
import { resolveTool } from '../src/platform/tool-resolver.js';
import { startMoto } from '../test/support/moto.js';
import { quiet } from '../test/support/temporal.js';
import { makeBuilds } from './builds.js';
import { openLane } from './lane.js';
import { describeRun, replaceTable } from './report.js';
import { carryOutRun, type RunResult, type Shared } from './run.js';
import { renderTable, renderVerdict } from './table.js';
import { prepareTerraform } from './terraform.js';

const USAGE =
  'npm run chaos -- [--runs N] [--seed S] [--lanes L] [--json] [--write FILE]\n--write puts the table between the marks in FILE';
const EXIT_USAGE = 2;
const EXIT_BY_SIGNAL = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

interface Options {
  runs: number;
  seed: number;
  lanes: number;
  json: boolean;
  write: string | undefined;
}

const options = readOptions();
// Every part is the run's own, whatever this shell is set to.
for (const name of Object.keys(process.env)) if (/^(TEMPORAL|AWS)_/.test(name)) delete process.env[name];
const session = await Session.create(false, (line) => console.error(line));
for (const [signal, code] of Object.entries(EXIT_BY_SIGNAL)) {
  process.on(signal, () => void endEarly(`${signal}: stopping everything that was started`, code));
}
process.on('uncaughtException', (error) => void endEarly(String(error.stack), 1));
const results: RunResult[] = [];
await carryOut(options);
await report(options);
await end(results.length === options.runs && results.every(({ faults }) => faults.length === 0) ? 0 : 1);

async function carryOut({ runs, seed, lanes }: Options): Promise<void> {
  quiet();
  await findTools();
  const startingMoto = startMoto();
  session.own(async () => (await startingMoto).stop());
  const [moto, terraform, builds] = await Promise.all([
    startingMoto,
    prepareTerraform(session.folder),
    makeBuilds(session.folder),
  ]);
  const seeds = Array.from({ length: runs }, (_, index) => seed + index);
  const count = Math.min(lanes, runs);
  await Promise.all(
    Array.from({ length: count }, (_, number) =>
      carryOutLane(number, seeds, moto.url, { terraform, builds }),
    ),
  );
}

/** Found once, for a lane's home has no cache. */
async function findTools(): Promise<void> {
  const { log } = session;
  process.env.HEADGATE_TOOL_MOTO = await ensureMoto({ log });
  for (const name of ['temporal', 'k6', 'terraform'] as const) {
    process.env[`HEADGATE_TOOL_${name.toUpperCase()}`] = (await resolveTool(name, { log })).path;
  }
}

async function carryOutLane(number: number, seeds: number[], moto: string, shared: Shared): Promise<void> {
  const lane = await openLane(session, number, moto);
  for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
    const result = await carryOutRun(lane, seed, shared, session.interrupted);
    results.push(result);
    for (const line of describeRun(result)) console.error(line);
    if (options.json) console.log(JSON.stringify({ v: 1, type: 'run', ...result }));
  }
}

async function report({ json, write, seed, runs }: Options): Promise<void> {
  results.sort((a, b) => a.seed - b.seed);
  const verdict = renderVerdict(results);
  const held = results.filter(({ faults }) => faults.length === 0).length;
  const table = renderTable(results);
  if (json) console.log(JSON.stringify({ v: 1, type: 'verdict', seed, runs, held }));
  else console.log(`${table}\n\n${verdict}`);
  if (write === undefined) return;
  const text = await readFile(write, 'utf8');
  await writeFile(write, replaceTable(text, { table, verdict, seed, results }));
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

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '20' },
        seed: { type: 'string', default: '1' },
        lanes: { type: 'string', default: '2' },
        json: { type: 'boolean', default: false },
        write: { type: 'string' },
      },
    });
    const { json, write } = values;
    return {
      runs: readCount(values.runs),
      seed: readCount(values.seed),
      lanes: readCount(values.lanes),
      json,
      write,
    };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    process.exit(EXIT_USAGE);
  }
}

function readCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new Error(`"${text}" is no whole number above 0`);
}
