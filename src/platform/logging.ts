/** One JSON object a line on stderr, redacted: stdout belongs to the command line's results. */
import type { Logger, LogLevel, LogMetadata } from '@temporalio/common';
import type { Redactor } from './redaction.js';

const LEVELS: LogLevel[] = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR'];

export interface LoggerOptions {
  redactor: Redactor;
  /** Lines below it are dropped; default `INFO`. */
  level?: LogLevel;
  write?: (line: string) => void;
}

/** `{ at, level, message, … }`; the same logger serves our code and Temporal's runtime. */
export function createLogger(options: LoggerOptions): Logger {
  const lowest = LEVELS.indexOf(options.level ?? 'INFO');
  const write = options.write ?? ((line) => process.stderr.write(line));
  const log = (level: LogLevel, message: string, meta?: LogMetadata): void => {
    if (LEVELS.indexOf(level) < lowest) return;
    const entry = { at: new Date().toISOString(), level: level.toLowerCase(), message, ...meta };
    write(`${options.redactor.redact(JSON.stringify(entry, toLoggable))}\n`);
  };
  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('INFO', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}

function toLoggable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { name: value.name, message: value.message, cause: value.cause };
  return typeof value === 'bigint' ? value.toString() : value;
}
