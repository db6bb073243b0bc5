// @ts-check
/**
 * Stands between the worker and one child process, so that the child never outlives the worker.
 *
 * Plain JavaScript, copied by the build as it is: it has to start by itself under a bare `node`, from the
 * sources as well as from `dist`.
 *
 * stdin   first line `{ file, args, cwd, env, uid, gid, stdin }` as JSON, later lines `stop <SIGNAL> <graceMs>`. Its end means that
 *         the worker is gone: stop with SIGTERM and 400 ms.
 * stdout, stderr   handed through to the child.
 * fd 3    one JSON line each: `{"started": pid}`, `{"exited": code | null, "signal": name | null}`,
 *         `{"failed": code, "message": text}`.
 */
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const ORPHAN_GRACE_MS = 400;
const STATUS_FD = 3;

/** @type {{ pid?: number } | undefined} */
let child;
let stopping = false;

/** @param {object} status */
function report(status) {
  try {
    writeSync(STATUS_FD, `${JSON.stringify(status)}\n`);
  } catch {
    // The worker is gone; nobody is left to tell.
  }
}

/**
 * @param {number} pid
 * @param {NodeJS.Signals} signal
 */
function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: the whole group is gone already.
  }
}

/** @param {{ file: string, args: string[], cwd?: string, env: Record<string, string>, uid?: number, gid?: number, stdin?: { text: string } | 'open' }} order */
function start({ file, args, cwd, env, uid, gid, stdin }) {
  process.title = `headgate-guardian ${file}`;
  const started = spawn(file, args, {
    cwd,
    env,
    uid,
    gid,
    stdio: [stdin ? 'pipe' : 'ignore', 'inherit', 'inherit'],
    detached: true,
  });
  child = started;
  // One that does not read it has ended, or will.
  started.stdin?.on('error', () => {});
  if (stdin && stdin !== 'open') started.stdin?.end(stdin.text);
  started.once('error', (error) => {
    report({ failed: 'code' in error ? error.code : 'EUNKNOWN', message: error.message });
    process.exit(1);
  });
  started.once('spawn', () => report({ started: started.pid }));
  started.once('exit', (code, signal) => {
    // What the child left in its group has lost its parent and would run on unseen.
    if (started.pid) signalGroup(started.pid, 'SIGKILL');
    report({ exited: code, signal });
    process.exit(0);
  });
}

/**
 * @param {NodeJS.Signals} signal
 * @param {number} graceMs
 */
function stop(signal, graceMs) {
  const pid = child?.pid;
  if (pid === undefined) process.exit(0);
  if (stopping) return;
  stopping = true;
  signalGroup(pid, signal);
  setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
}

/** @param {string} line */
function obey(line) {
  if (!child) {
    start(JSON.parse(line));
    return;
  }
  const [, signal, graceMs] = line.split(' ');
  stop(/** @type {NodeJS.Signals} */ (signal), Number(graceMs));
}

for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT', 'SIGHUP'])) {
  process.on(signal, () => stop('SIGTERM', ORPHAN_GRACE_MS));
}
const orders = createInterface({ input: process.stdin });
orders.on('line', obey);
orders.on('close', () => stop('SIGTERM', ORPHAN_GRACE_MS));
