/** How fast a running task gets on: a moving mean of its rate, and the time to go where that can be said honestly. */

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

const SMOOTHING = 0.3; // as tqdm's
const QUIET_MS = 2000;
const MIN_UPDATES = 3;
const STEADY = 0.15; // of the rate: varies less than this, one number says it
const WILD = 0.5; // varies more than this, no number does

export class Pace {
  #attempt = -1;
  #startedAt = 0;
  #at = 0;
  #current = 0;
  #updates = 0;
  #rate = 0;
  #spread = 0;
  #goesOn = false; // where, its first report says

  /** @param {Snapshot} snapshot */
  observe({ phase, attempt, current, status, started_at, updated_at }) {
    if (phase !== "running" || !started_at) return;
    const at = Date.parse(updated_at);
    if (attempt !== this.#attempt && !current) {
      this.#restart(attempt, Date.parse(started_at), 0);
      this.#goesOn = status !== "";
    } else if (attempt !== this.#attempt || current < this.#current || this.#goesOn) {
      this.#restart(attempt, at, current); // the next loop, or step, or what runs before may have done
    }
    if (current <= this.#current || at <= this.#at) return;
    this.#take((1000 * (current - this.#current)) / (at - this.#at));
    this.#at = at;
    this.#current = current;
  }

  /**
   * Units per second; null while it is too early to say.
   *
   * @param {number} now server time, ms
   */
  rate(now) {
    return this.#updates > 0 && now - this.#startedAt >= QUIET_MS ? this.#rate : null;
  }

  /**
   * Least and most seconds to go, below nothing where it takes longer than that; null where nobody could tell.
   *
   * @param {Snapshot} snapshot
   * @param {number} now server time, ms
   * @returns {[number, number] | null}
   */
  left({ current, total }, now) {
    const rate = this.rate(now);
    const doubt = this.#spread / this.#rate;
    if (!rate || total === null || this.#updates < MIN_UPDATES || doubt > WILD) return null;
    const since = (now - this.#at) / 1000;
    const after = (/** @type {number} */ speed) => (total - current) / speed - since;
    return doubt < STEADY ? [after(rate), after(rate)] : [after(rate * (1 + doubt)), after(rate * (1 - doubt))];
  }

  /** @param {number} attempt @param {number} at @param {number} current */
  #restart(attempt, at, current) {
    this.#attempt = attempt;
    this.#startedAt = this.#at = at;
    this.#current = current;
    this.#updates = this.#rate = this.#spread = 0;
    this.#goesOn = false;
  }

  /** @param {number} rate of the newest stretch */
  #take(rate) {
    const weight = this.#updates++ ? SMOOTHING : 1;
    const off = this.#updates > 1 ? Math.abs(rate - this.#rate) : 0;
    this.#spread += weight * (off - this.#spread);
    this.#rate += weight * (rate - this.#rate);
  }
}
