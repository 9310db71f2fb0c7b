/** Asks for the watched tasks over the socket, and again on each new one. */

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./tracked-tasks.js").TrackedTasks} TrackedTasks
 */

export const MAX_IDS = 100; // in one request

const ANSWER_GRACE_MS = 2000; // without an answer, before the connection counts as lost
const RETRY_MS = { min: 500, max: 5000, growth: 2 };

export class Subscriber {
  #connection;
  #tasks;
  #random;
  #listAsked = false;
  #answered = false; // on the present socket
  #asking = false;
  #serverIsLive = true; // whether the server says that it receives from Redis
  #retryIn = RETRY_MS.min;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;

  /**
   * @param {Connection} connection
   * @param {TrackedTasks} tasks
   * @param {() => number} random
   */
  constructor(connection, tasks, random) {
    this.#connection = connection;
    this.#tasks = tasks;
    this.#random = random;
    connection.on("connect", () => this.#onConnect());
    connection.on("announced", (server) => this.#onAnnounced(server));
    connection.on("log", ({ task_id, lines }) => this.#onLog(task_id, lines));
  }

  /** Ask for what is new. All that is begun in one turn goes out in one call. */
  askSoon() {
    queueMicrotask(() => this.#ask());
  }

  /** Ask for everything again. */
  askAllAgain() {
    this.#doubt();
    this.#answered = this.#listAsked = false;
    for (const [, task] of this.#tasks.entries) task.asked = false;
    this.#retryIn = RETRY_MS.min;
    this.#ask();
  }

  /** Ask for the list again, as for its counts. */
  askForListAgain() {
    this.#listAsked = false;
    this.#ask();
  }

  /**
   * Have no more news of a task.
   *
   * @param {string} taskId
   */
  unwatch(taskId) {
    this.#connection.request("unwatch", { task_ids: [taskId] }).catch(() => undefined);
  }

  /** Ask no more, for good: the connection is closed too. */
  close() {
    clearTimeout(this.#retryTimer);
  }

  #onConnect() {
    this.#serverIsLive = true; // unless it says otherwise
    this.askAllAgain();
  }

  /** @param {import("./connection.js").ServerState} server */
  #onAnnounced({ live }) {
    const isBack = live && !this.#serverIsLive;
    this.#serverIsLive = live;
    if (isBack) return this.askAllAgain();
    if (this.#asking) return;
    for (const [, task] of this.#tasks.entries) {
      // The server's news are the sign that the queue has moved.
      if (task.snapshot?.phase === "queued") task.asked = false;
    }
    this.#ask();
  }

  /** @param {string} taskId @param {import("./snapshot.js").LogLine[]} lines */
  #onLog(taskId, lines) {
    this.#tasks.appendLog(taskId, lines);
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#retryTimer);
    if (this.#asking || !this.#connection.connected) return;
    this.#asking = true;
    try {
      while (!this.#answered || this.#listWanted || this.#tasks.unasked.length) {
        // What begins meanwhile is new.
        const isLast = this.#tasks.unasked.length <= (this.#listWanted ? 0 : MAX_IDS);
        this.#answered = true; // unless all is to be asked again before the answer comes
        await this.#withGrace(this.#listWanted ? this.#askForMine() : this.#askForTasks());
        if (isLast && this.#answered) this.#allAcknowledged();
      }
      // An answer may have ended tasks still to be asked for, and cards may have gone.
      this.#allAcknowledged();
      this.#retryIn = RETRY_MS.min;
    } catch {
      this.#answered = false;
      this.#doubt();
      this.#retryLater();
    } finally {
      this.#asking = false;
    }
  }

  /**
   * Wait for an answer. On a socket that has answered before, a question on its way is no loss of
   * connection, unless it takes long.
   *
   * @param {Promise<void>} answer
   */
  async #withGrace(answer) {
    const timer = setTimeout(() => this.#doubt(), ANSWER_GRACE_MS);
    await answer.finally(() => clearTimeout(timer));
  }

  #allAcknowledged() {
    this.#connection.note({ allAcknowledged: this.#connection.connected });
  }

  #doubt() {
    this.#connection.note({ allAcknowledged: false });
  }

  #retryLater() {
    if (!this.#connection.connected) return; // the next connect asks
    this.#retryTimer = setTimeout(() => this.#ask(), this.#retryIn * (0.5 + 0.5 * this.#random()));
    this.#retryIn = Math.min(RETRY_MS.max, this.#retryIn * RETRY_MS.growth);
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
      for (const [id, { lines }] of Object.entries(logs)) tasks.catchUpLog(id, lines);
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
