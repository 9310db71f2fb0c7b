/**
 * The server's time of day in the browser. It is counted on by a clock that nobody sets: the time of day here may be
 * wrong, and jump.
 */

const SKIP_MS = 1000;

export class ServerClock {
  #wall;
  #steady;
  #offset; // of the server's time from the steady clock's, ms
  #apart; // of the time of day here from the steady clock's, ms, when they were last compared
  #isMeasured = false;

  /** @param {{wall?: () => number, steady?: () => number}} [clocks] in ms */
  constructor({ wall = () => Date.now(), steady = () => performance.now() } = {}) {
    this.#wall = wall;
    this.#steady = steady;
    this.#offset = this.#apart = wall() - steady(); // until the server says more
  }

  /** The server's time, ms. */
  now() {
    return Math.round(this.#steady() + this.#offset);
  }

  /**
   * Take in what the server's time is. Each is late by its way here, so the latest is nearest the truth.
   *
   * @param {number} time ms
   */
  set(time) {
    if (!this.#isMeasured) this.#offset = time - this.#steady();
    this.#isMeasured = true;
    this.observe(time);
  }

  /**
   * Take in a time that has been at the server, perhaps long ago. Returns its time now, as `now` does.
   *
   * @param {number} time ms
   */
  observe(time) {
    const steady = this.#steady();
    this.#offset = Math.max(this.#offset, time - steady);
    return Math.round(steady + this.#offset);
  }

  /** Measure again: the server's clock may have been set, or it may be another server's. */
  measureAgain() {
    this.#isMeasured = false;
  }

  /**
   * Whether, since this was last asked, this machine has slept, in which the steady clock may have stood still, or its
   * time of day was set. Nobody can tell which; the server can tell the time.
   */
  hasSkipped() {
    const apart = this.#wall() - this.#steady();
    const skipped = Math.abs(apart - this.#apart) > SKIP_MS;
    this.#apart = apart;
    return skipped;
  }
}
