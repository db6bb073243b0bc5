/** What a program of the plan's folder measures. */
import { parseEvidence } from '../../../platform/json.js';
import { isObject } from '../endpoint.js';
import type { Probe, Sample } from '../probe.js';
import { type ProgramDeps, runProgram } from '../program.js';
import type { Config } from './schema.js';

const LONGEST_OUTPUT_BYTES = 64 * 1024;

/** Sample: the one JSON object that the program prints. What it says on stderr is only told when it fails. */
export function createCommandProbe(deps: ProgramDeps): Probe<Config> {
  return {
    kind: 'command',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, subject, timeoutMs, signal }) {
      // One byte more is kept, to tell what is too long from what fits.
      const limits = { timeoutMs, signal, outputLimitBytes: LONGEST_OUTPUT_BYTES + 1 };
      const ended = await runProgram({ argv: config.argv, subject, ...limits }, deps);
      return ended.kind === 'done' ? readOutput(ended.stdout) : ended;
    },
  };
}

function readOutput(stdout: string): Sample {
  if (Buffer.byteLength(stdout) > LONGEST_OUTPUT_BYTES) {
    return {
      kind: 'inconclusive',
      message: 'the program printed more than 64 KiB; expected one JSON object',
    };
  }
  const value = parseEvidence(stdout);
  if (isObject(value)) return { kind: 'sample', value };
  const found = stdout.trim() === '' ? 'nothing' : `"${stdout.trim().slice(0, 200)}"`;
  return { kind: 'inconclusive', message: `expected one JSON object on stdout, found ${found}` };
}
