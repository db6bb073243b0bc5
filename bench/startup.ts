/** How long the command line takes to answer, beside Node itself. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ROOT, STORY } from '../test/support/product.js';
import { comparePairs, type Result } from './row.js';
import type { Session } from './session.js';

const MAIN = join(ROOT, 'dist', 'src', 'cli', 'main.js');
const NODE_ALONE = ['-e', '0'];
const COMMANDS: Record<string, string[]> = {
  '--version': ['--version'],
  '--help': ['--help'],
  'plan FILE --offline': ['plan', STORY, '--offline'],
};

/** @returns a row in ms per command, from the start of its process to its end */
export async function measureStartup(session: Session): Promise<Result> {
  const runs = session.runs(20, 3);
  session.log(`startup: ${Object.keys(COMMANDS).length} commands beside node alone, ${runs} runs each`);
  const pairs = new Map(Object.keys(COMMANDS).map((name): [string, [number, number][]] => [name, []]));
  // The first round brings the files into the machine's memory.
  for (let run = -1; run < runs; run += 1) {
    for (const [name, args] of Object.entries(COMMANDS)) {
      session.interrupted.throwIfAborted();
      const pair: [number, number] = [await timeNode([MAIN, ...args]), await timeNode(NODE_ALONE)];
      if (run >= 0) pairs.get(name)?.push(pair);
    }
  }
  return {
    rows: [...pairs].map(([name, measured]) => ({
      what: `startup: headgate ${name}`,
      unit: 'ms',
      ...comparePairs(measured, 'node -e 0'),
    })),
  };
}

/** @throws Error when it does not exit 0: what failed early would look fast */
async function timeNode(args: string[]): Promise<number> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  const tookMs = performance.now() - startedAt;
  if (code !== 0) throw new Error(`node ${args.join(' ')} exited ${code}: ${errors}`);
  return tookMs;
}
