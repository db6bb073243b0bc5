/** The docker command line, without a daemon. */
import { execFileSync } from 'node:child_process';

/** For `describe.skipIf`: true, and said aloud, when there is none. In CI a missing part is a failure. */
export function dockerIsMissing(): boolean {
  try {
    execFileSync('docker', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    const how = 'docker is missing: install its command line (Debian: apt-get install docker-cli).';
    if (process.env.CI) throw new Error(how);
    console.warn(`SKIPPED, ${how}`);
    return true;
  }
}
