/** Whether this release is well. SIGUSR2 brings its fault about: that is how the sandbox breaks a release. */
import { log } from './log.js';

export class Health {
  #broken = false;
  #failOnce = false;

  constructor(fault: string | undefined) {
    process.on('SIGUSR2', () => {
      if (fault === 'flap') this.#failOnce = true;
      else this.#broken = true;
      log('ERROR', 'unhealthy: cannot reach the booking calendar');
    });
  }

  /** Asked by `/healthz`. */
  check(): boolean {
    if (this.#broken) return false;
    const well = !this.#failOnce;
    this.#failOnce = false;
    return well;
  }

  /** How long one availability query takes. */
  querySeconds(): number {
    return this.#broken ? 2 : 0.11;
  }
}
