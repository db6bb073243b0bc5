/** Where lines of a log come from: one interface for what is read now and then and for what is followed. */
import type { Json } from '../../../plan/resolved.js';

export interface LogLine {
  text: string;
  /** Epoch ms, where the log tells the time beside the text. */
  atMs?: number;
}

/** Some lines, in order. */
export interface LogBatch {
  lines: LogLine[];
  /** The last line, as far as it has come: it is given again when it has its end. */
  unfinished?: LogLine;
  /** Reading goes on from here. */
  cursor: Json;
  /** Everything that was there has been given: what is known now is the present. */
  caughtUp: boolean;
  /** Lines before these may be lost, because of this. */
  gap?: string;
}

export interface LogFrom {
  /** Of an earlier batch. Without one the log is read from its beginning, or as far back as `sinceMs`. */
  cursor?: Json;
  /** Goes on with what comes, until the signal ends it; else it ends when caught up. */
  follow: boolean;
  /** Older lines are of no interest. Epoch ms. */
  sinceMs?: number;
  signal: AbortSignal;
}

export interface LogSource {
  /** The last batch of what is there says `caughtUp`, if it is empty too. @throws LogUnread */
  batches(from: LogFrom): AsyncIterable<LogBatch>;
}

/** Why there is nothing to count. */
export class LogUnread extends Error {
  override readonly name = 'LogUnread';
  readonly kind: 'inconclusive' | 'error';

  constructor(kind: 'inconclusive' | 'error', message: string) {
    super(message);
    this.kind = kind;
  }
}
