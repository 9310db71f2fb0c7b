/** The requests by which a page watches tasks over the socket, one after the other. */

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./tracked-tasks.js").TrackedTasks} TrackedTasks
 */

export const MAX_IDS = 100; // in one request

export class WatchRequests {
  #connection;
  #tasks;
  #listAsked = false;

  /**
   * @param {Connection} connection
   * @param {TrackedTasks} tasks
   */
  constructor(connection, tasks) {
    this.#connection = connection;
    this.#tasks = tasks;
  }

  /** Have everything asked for again. */
  forgetAll() {
    this.#listAsked = false;
    for (const [, task] of this.#tasks.entries) task.asked = false;
  }

  /** Have the list asked for again. */
  forgetList() {
    this.#listAsked = false;
  }

  /** Whether anything is to be asked for. */
  get isWanted() {
    return this.#listWanted || this.#tasks.unasked.length > 0;
  }

  /** Whether the next request asks for all that is to be asked for now. */
  get isLast() {
    return this.#tasks.unasked.length <= (this.#listWanted ? 0 : MAX_IDS);
  }

  /** Ask for the list, or for some tasks. Rejects without an answer. */
  async next() {
    await (this.#listWanted ? this.#askForMine() : this.#askForTasks());
  }

  get #listWanted() {
    return this.#tasks.listListeners.size > 0 && !this.#listAsked;
  }

  async #askForMine() {
    this.#listAsked = true;
    try {
      const { snapshots, counts } = await this.#connection.request("watch_mine", {});
      snapshots.forEach((/** @type {Snapshot} */ snapshot) => this.#receive(snapshot));
      this.#tasks.listRead(counts, snapshots);
    } catch (error) {
      this.#listAsked = false;
      throw error;
    }
  }

  async #askForTasks() {
    const tasks = this.#tasks;
    const ids = tasks.unasked.slice(0, MAX_IDS);
    const after = Object.fromEntries(ids.map((id) => [id, tasks.track(id).line?.seq ?? 0]));
    // Set before the answer: a gap in the log that shows meanwhile takes it back, and the task is
    // asked for again.
    ids.forEach((id) => (tasks.track(id).asked = true));
    try {
      const answer = await this.#connection.request("watch", { task_ids: ids, after });
      const { snapshots, logs, missing } = answer;
      snapshots.forEach((/** @type {Snapshot} */ snapshot) => this.#receive(snapshot));
      missing.forEach((/** @type {string} */ id) => tasks.miss(id));
      for (const [id, { lines }] of Object.entries(logs)) tasks.find(id)?.catchUpLog(lines);
    } catch (error) {
      ids.forEach((id) => (tasks.track(id).asked = false));
      throw error;
    }
  }

  /** @param {Snapshot} snapshot */
  #receive(snapshot) {
    this.#connection.observe(snapshot.updated_at);
    this.#tasks.receive(snapshot);
  }
}
