/** Tells when a task has given out other files than are shown. */

/**
 * @callback ReadFiles reads what the task has given out
 * @returns {Promise<{files: object[]}>}
 */

const PAUSE_MS = 300; // between two reads, since a task may give out many files in a row
const RETRY_MS = 1000;

export class TaskFiles {
  #read;
  #changed;
  #known = "[]";
  #isWanted = false;
  #isReading = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;

  /**
   * @param {ReadFiles} read
   * @param {() => void} changed is called where what was read is not what was read before
   */
  constructor(read, changed) {
    this.#read = read;
    this.#changed = changed;
  }

  /** Read them, or read them again: what is being read now may be outdated. */
  reach() {
    this.#isWanted = true;
    if (!this.#isReading) void this.#fetch();
  }

  /** Read no more. */
  stop() {
    clearTimeout(this.#pause);
    this.#isWanted = false;
    this.#isReading = true;
  }

  async #fetch() {
    this.#isReading = true;
    this.#isWanted = false;
    let pause = PAUSE_MS;
    try {
      const found = JSON.stringify((await this.#read()).files);
      if (found !== this.#known) this.#changed();
      this.#known = found;
    } catch {
      this.#isWanted = true;
      pause = RETRY_MS;
    }
    this.#pause = setTimeout(() => this.#goOn(), pause);
  }

  #goOn() {
    this.#isReading = false;
    if (this.#isWanted) void this.#fetch();
  }
}
