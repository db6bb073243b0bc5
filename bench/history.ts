/** How large the history of a whole rollout becomes: the story as it is played, and with its hour at 5 s. */
import type { ClosedRollout } from './closed-rollout.js';
import { breakDown } from './history-size.js';
import { watchForAnHour } from './hour.js';
import { type Result, type Row, spreadOf } from './row.js';
import type { Session } from './session.js';
import { playStory } from './story.js';

const MOST_EVENTS = 400;
const MOST_KB = 500;
const KB = 1024;
const STORY = 'the story, monitor of 20 s at 1 s';
const HOUR = 'the story, monitor of 60 min at 5 s';

export async function measureHistory(session: Session): Promise<Result> {
  const story = await tryTo(session, STORY, () => playStory(session));
  const note = story.closed
    ? 'every step but the monitor answers as in the story of this run'
    : 'every step but the monitor answers from a world in memory, in fewer words than a real one';
  const hour = await tryTo(session, HOUR, () => watchForAnHour(session, story.closed), note);
  return {
    rows: [...story.rows, ...hour.rows],
    breakdowns: [...(story.breakdowns ?? []), ...(hour.breakdowns ?? [])],
    failures: [...(story.failures ?? []), ...(hour.failures ?? [])],
  };
}

/** One that fails does not keep the other from being measured. */
async function tryTo(
  session: Session,
  what: string,
  rollOut: () => Promise<ClosedRollout>,
  note?: string,
): Promise<Result & { closed?: ClosedRollout }> {
  try {
    const closed = await rollOut();
    return {
      closed,
      rows: rowsOf(what, closed, note),
      breakdowns: [breakDown(`The history of ${what}`, closed.history)],
    };
  } catch (error) {
    session.interrupted.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return { rows: [], failures: [`${what}: ${why}`] };
  } finally {
    await session.endOwned();
  }
}

function rowsOf(what: string, { events, bytes }: ClosedRollout, note?: string): Row[] {
  const row = { what: `history: ${what}`, runs: 1 };
  return [
    {
      ...row,
      unit: 'events',
      measured: spreadOf([events]),
      reach: { text: `≤ ${MOST_EVENTS}`, reached: events <= MOST_EVENTS },
    },
    {
      ...row,
      unit: 'KB',
      measured: spreadOf([bytes / KB]),
      reach: { text: `≤ ${MOST_KB} KB`, reached: bytes / KB <= MOST_KB },
      note,
    },
  ];
}
