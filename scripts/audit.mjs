// Known vulnerabilities of what the worker and the command line run with. Exit code 0: asked, and none of high or
// critical severity; 1: some; 75: nobody could be asked, which is no good news and no bad one.
import { execFile } from 'node:child_process';

const EXIT_UNKNOWN = 75;
const GRAVE = ['high', 'critical'];

/** `npm audit` exits with 1 for findings and for want of an answer alike; its JSON tells which. */
function ask() {
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=1', '--fetch-timeout=20000'];
  return new Promise((resolve) => {
    execFile('npm', args, { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout) => resolve(stdout));
  });
}

export function readAudit(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return { exitCode: EXIT_UNKNOWN, lines: ['npm audit gave no report'] };
  }
  if (typeof report?.vulnerabilities !== 'object' || report.vulnerabilities === null) {
    return {
      exitCode: EXIT_UNKNOWN,
      lines: [`the registry does not tell: ${report?.message ?? 'no report'}`],
    };
  }
  const found = Object.values(report.vulnerabilities);
  const lines = found.map(({ name, severity, range, via }) => {
    const why = via.map((each) => (typeof each === 'string' ? `by ${each}` : `${each.title} (${each.url})`));
    return `${severity}: ${name} ${range}: ${why.join('; ')}`;
  });
  const grave = found.filter(({ severity }) => GRAVE.includes(severity)).length;
  return {
    exitCode: grave > 0 ? 1 : 0,
    lines: [...lines, `${found.length} known vulnerabilities, ${grave} of them high or critical`],
  };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { exitCode, lines } = readAudit(await ask());
  for (const line of lines) console.log(line);
  process.exitCode = exitCode;
}
