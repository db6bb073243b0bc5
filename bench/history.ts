/** How large the history of a whole rollout becomes: the story as it is played, and with its hour at 5 s. */
import type { History } from '../test/support/histories.js';
import { findTimeSkipping } from '../test/support/temporal.js';
import { breakDown, countBytes } from './history-size.js';
import { watchForAnHour } from './hour.js';
import { type Result, type Row, spreadOf } from './row.js';
import type { Session } from './session.js';
import { playStory } from './story.js';

const MOST_EVENTS = 400;
const MOST_KB = 500;
const KB = 1024;
const STORY = 'the story, monitor of 20 s';
const HOUR = 'the story, monitor of 60 min at 5 s';

interface Size {
  events: number;
  bytes: number;
  note: string;
}

export async function measureHistory(session: Session): Promise<Result> {
  const story = await measureStory(session);
  const hour = await measureHour(session, story.history);
  return {
    rows: [...story.rows, ...hour.rows],
    breakdowns: [...(story.breakdowns ?? []), ...(hour.breakdowns ?? [])],
    failures: story.failures,
  };
}

async function measureStory(session: Session): Promise<Result & { history?: History }> {
  try {
    const { history, events, bytes } = await playStory(session);
    const note = `as the server counts; ${Math.round(countBytes(history) / KB)} KB on the wire`;
    return {
      history,
      rows: rowsOf(STORY, { events, bytes, note }),
      breakdowns: [breakDown('The history of the story', history)],
    };
  } catch (error) {
    session.interrupted.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return { rows: notMeasured(STORY, message), failures: [message] };
  }
}

async function measureHour(session: Session, recorded: History | undefined): Promise<Result> {
  const server = findTimeSkipping();
  if (!server) return { rows: notMeasured(HOUR, 'HEADGATE_TEST_TIMESKIP names no time-skipping server') };
  const history = await watchForAnHour(session, server, recorded);
  const size = {
    events: history.events?.length ?? 0,
    bytes: countBytes(history),
    note: recorded
      ? 'on the wire; every other step answers as in the story of this run'
      : 'on the wire; every other step answers from a world in memory, which is smaller than the real one',
  };
  return { rows: rowsOf(HOUR, size), breakdowns: [breakDown(`The history of ${HOUR}`, history)] };
}

function rowsOf(what: string, { events, bytes, note }: Size): Row[] {
  return [
    {
      what: `history: ${what}`,
      unit: 'events',
      measured: spreadOf([events]),
      reach: { text: `≤ ${MOST_EVENTS}`, reached: events <= MOST_EVENTS },
      runs: 1,
    },
    {
      what: `history: ${what}`,
      unit: 'KB',
      measured: spreadOf([bytes / KB]),
      reach: { text: `≤ ${MOST_KB} KB`, reached: bytes / KB <= MOST_KB },
      runs: 1,
      note,
    },
  ];
}

function notMeasured(what: string, why: string): Row[] {
  const row = { what: `history: ${what}`, runs: 0, note: `not measured: ${why}` };
  return [
    { ...row, unit: 'events', reach: { text: `≤ ${MOST_EVENTS}` } },
    { ...row, unit: 'KB', reach: { text: `≤ ${MOST_KB} KB` } },
  ];
}
