/**
 * A unit of the system's systemd. Whoever is not root starts it again by `sudo -n systemctl restart UNIT`, which
 * sudoers has to allow; to look needs no right.
 */
import { invalid } from '../../../../platform/failures.js';
import { LONGEST_LOG_BYTES } from '../../target.js';
import { wholeLines } from '../../whole-lines.js';
import { type Host, lastWords } from '../host.js';
import { RESTART_MS, requireName, type Service } from './service.js';

const PROPERTIES = ['LoadState', 'ActiveState', 'SubState', 'NRestarts'];
const LOG_LINES = 20_000;

/** Root needs no sudo, and may have none. */
const RESTART =
  'if [ "$(id -u)" = 0 ]; then exec systemctl restart "$1"; fi; exec sudo -n systemctl restart "$1"';

export function createSystemd(host: Host, unit: string): Service {
  requireName(
    'systemd',
    unit,
    /^(?!-)[\w:.@\\-]+$/,
    'Write the name of one unit, as systemctl status shows it: shop, or shop.service.',
  );
  const read = () => readUnit(host, unit);
  return {
    command: `journalctl -u ${unit}`,
    async state() {
      const { ActiveState: active = '', SubState: sub = '', NRestarts: restarts } = await read();
      return {
        up: active === 'active',
        failed: active === 'failed',
        says: `systemd says ${unit} is ${active} (${sub})`,
        restarts: Number(restarts ?? 0) || 0,
      };
    },
    async restart() {
      await read();
      const argv = ['sh', '-c', RESTART, 'headgate', unit];
      const reply = await host.ask(argv, { unbroken: true, timeoutMs: RESTART_MS });
      if (reply.exitCode !== 0) throw cannotRestart(host, unit, lastWords(reply));
    },
    async log() {
      const argv = ['journalctl', '--unit', unit, '--output', 'short-iso-precise', '--no-pager', '--quiet'];
      const { stdout, stderr } = await host.demand('journalctl', [...argv, '--lines', String(LOG_LINES)], {
        outputLimitBytes: LONGEST_LOG_BYTES,
      });
      if (stdout === '' && /not seeing messages|No journal files were opened/.test(stderr)) {
        throw invalid(
          `${host.name}: the user who logs in may not read the journal. Add it to the group systemd-journal.`,
        );
      }
      return wholeLines(stdout);
    },
  };
}

async function readUnit(host: Host, unit: string): Promise<Record<string, string>> {
  const argv = ['systemctl', 'show', unit, ...PROPERTIES.map((name) => `--property=${name}`)];
  const { stdout } = await host.demand(`systemctl show ${unit}`, argv);
  const entries = stdout.split('\n').map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  const found = Object.fromEntries(entries);
  if (found.LoadState === 'loaded') return found;
  throw invalid(
    `${host.name}: systemd has no usable unit ${unit} (${found.LoadState || 'it says nothing of it'}). Install it and run systemctl daemon-reload, or correct "systemd".`,
  );
}

function cannotRestart(host: Host, unit: string, said: string): Error {
  if (/a password is required|not allowed|not in the sudoers|Interactive authentication/i.test(said)) {
    return invalid(
      `${host.name}: the user who logs in may not restart ${unit}: ${said}. Allow that one command in /etc/sudoers.d: USER ALL=(root) NOPASSWD: /usr/bin/systemctl restart ${unit}`,
    );
  }
  return new Error(`${host.name}: systemctl restart ${unit} failed: ${said}. More: systemctl status ${unit}`);
}
