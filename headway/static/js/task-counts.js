/** How many of the visitor's tasks are in each phase: as last read, and moved on by each snapshot. Pure. */

/** @typedef {import("./tracked-tasks.js").Counts} Counts */

const DOUBT_MS = 1000; // by which the server's time may be ahead of what it is thought to be here

export class TaskCounts {
  /** @type {Counts} */
  #counts = {};
  /** @type {Map<string, string>} by task id, its phase */
  #phases = new Map();
  #readAt = 0;
  /** How often a snapshot has moved the counts on. */
  moves = 0;

  /**
   * Take in counts of all tasks, as read at this time.
   *
   * @param {Counts} counts
   * @param {number} now
   */
  read(counts, now) {
    this.#counts = { ...counts };
    this.#readAt = now;
  }

  /**
   * Note the phase of a task that the counts hold already.
   *
   * @param {string} taskId
   * @param {string} phase
   */
  note(taskId, phase) {
    this.#phases.set(taskId, phase);
  }

  /**
   * Take in a snapshot. Returns whether the counts have to be read again: nobody knows the phase that the task was in,
   * or, of one that began as they were read, whether it is among them.
   *
   * @param {{task_id: string, phase: string, created_at: string}} snapshot
   */
  receive({ task_id, phase, created_at }) {
    const before = this.#phases.get(task_id);
    if (before === phase) return false;
    this.#phases.set(task_id, phase);
    const isNew = before === undefined;
    const later = Date.parse(created_at) - this.#readAt;
    if (isNew && !(later > 0)) return true;
    if (!isNew) this.#add(before, -1);
    this.#add(phase, 1);
    return isNew && later <= DOUBT_MS;
  }

  /**
   * A task is gone.
   *
   * @param {string} taskId
   */
  remove(taskId) {
    const phase = this.#phases.get(taskId);
    if (phase === undefined) return;
    this.#phases.delete(taskId);
    this.#add(phase, -1);
  }

  /**
   * How many are in these phases; in all where none is named.
   *
   * @param {string[]} phases
   */
  of(phases) {
    const names = phases.length ? phases : Object.keys(this.#counts);
    return names.reduce((sum, phase) => sum + (this.#counts[phase] ?? 0), 0);
  }

  /** @param {string} phase @param {number} n */
  #add(phase, n) {
    this.#counts[phase] = Math.max(0, (this.#counts[phase] ?? 0) + n);
    this.moves++;
  }
}
