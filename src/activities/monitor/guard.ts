/**
 * The fences of one window: read when it begins, every half minute, and when the verdict is due. The next window
 * begins with a reading, so that only the last one ends with one.
 *
 * A difference counts when it is read twice: a store may answer with what was there a moment ago. What cannot be read
 * is no difference; whether it is missing evidence the workflow says.
 */
import type { Fence, FoundTaint, SampleInput, SamplerState } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import type { Clock } from '../clock.js';
import type { FenceReader, Reading } from '../fences.js';

const EVERY_MS = 30_000;
const AGAIN_MS = 1_000;
const READING_MS = 15_000;
/** Before the verdict, where a reading fails. */
const PAUSES_MS = [0, 1_000, 3_000];
const MOST_TAINTS = 5;
const LONGEST_WORD = 200;
const LONGEST_ERROR = 160;

interface GuardDeps {
  fences: FenceReader;
  clock: Clock;
}

/**
 * Until the window is over; writes into the state which fences could be read, and when.
 * @returns what has been changed, at most five @throws the signal's reason
 */
export async function guard(
  deps: GuardDeps,
  { subject, fences = [], untilMs, isLast = false }: SampleInput,
  state: SamplerState,
  end: AbortSignal,
): Promise<FoundTaint[]> {
  if (fences.length === 0) return [];
  const { clock } = deps;
  state.fences ??= {};
  const readings = state.fences;
  const read = (some: Fence[]) => readTwice({ ...deps, context: subject.context, readings, end }, some);
  for (let isFirst = true; clock.now() < untilMs; isFirst = false) {
    // One that takes long would hold up the next window.
    const isInTime = isLast || untilMs - clock.now() > READING_MS;
    const tainted = isFirst || isInTime ? await read(fences) : [];
    if (tainted.length > 0) return tainted;
    await clock.sleep(Math.min(EVERY_MS, untilMs - clock.now()), end);
  }
  let left = isLast ? fences : [];
  for (const pauseMs of PAUSES_MS) {
    if (left.length === 0) return [];
    await clock.sleep(pauseMs, end);
    const tainted = await read(left);
    if (tainted.length > 0) return tainted;
    left = left.filter(({ step }) => readings[step.name]?.error !== undefined);
  }
  return [];
}

interface Round extends GuardDeps {
  context: SampleInput['subject']['context'];
  readings: NonNullable<SamplerState['fences']>;
  end: AbortSignal;
}

async function readTwice(round: Round, fences: Fence[]): Promise<FoundTaint[]> {
  const suspected = (await readAll(round, fences)).map(({ fence }) => fence);
  if (suspected.length === 0) return [];
  await round.clock.sleep(AGAIN_MS, round.end);
  const found = await readAll(round, suspected);
  const at = new Date(round.clock.now()).toISOString();
  return found.slice(0, MOST_TAINTS).map(({ fence, reading }) => ({
    ...reading,
    what: clip(reading.what, LONGEST_WORD),
    expected: clip(reading.expected, LONGEST_WORD),
    found: clip(reading.found, LONGEST_WORD),
    step: fence.step.name,
    at,
  }));
}

/** Those that differ. */
async function readAll(
  round: Round,
  fences: Fence[],
): Promise<{ fence: Fence; reading: NonNullable<Reading> }[]> {
  const read = await Promise.all(
    fences.map(async (fence) => ({ fence, reading: await readOne(round, fence) })),
  );
  return read.flatMap(({ fence, reading }) => (reading ? [{ fence, reading }] : []));
}

async function readOne({ fences, clock, context, readings, end }: Round, fence: Fence): Promise<Reading> {
  const { name } = fence.step;
  try {
    const reading = await inTime(end, (signal) => fences.read(fence, context, signal));
    readings[name] = { readAtMs: clock.now() };
    return reading;
  } catch (error) {
    end.throwIfAborted();
    const why = clip(error instanceof Error ? error.message : String(error), LONGEST_ERROR);
    readings[name] = { ...readings[name], error: why };
    return undefined;
  }
}

/** Rejects as soon as the signal says so, whatever the reading does: a breach must not wait for it. */
async function inTime<T>(end: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.any([end, AbortSignal.timeout(READING_MS)]);
  signal.throwIfAborted();
  let onAbort = () => {};
  const ended = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(end.aborted ? end.reason : new Error(`no answer in ${READING_MS} ms`));
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work(signal), ended]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
