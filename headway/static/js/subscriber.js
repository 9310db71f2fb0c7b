/** Requests all that is watched over the socket, and again on each new socket. */

import { MAX_IDS, WatchRequests } from "./watch-requests.js";

/**
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./tracked-tasks.js").TrackedTasks} TrackedTasks
 */

const ANSWER_GRACE_MS = 2000; // without an answer, before the connection counts as lost
const RETRY_MS = { min: 500, max: 5000, growth: 2 };

export class Subscriber {
  #connection;
  #tasks;
  #requests;
  #random;
  /** @type {string[]} ids of tasks that are watched no longer */
  #left = [];
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
    this.#requests = new WatchRequests(connection, tasks);
    this.#random = random;
    connection.on("connect", () => this.#onConnect());
    connection.on("announced", (server) => this.#onAnnounced(server));
    connection.on("log", ({ task_id, lines }) => this.#onLog(task_id, lines));
  }

  /** Ask for what is new. What is watched within one turn of the event loop is asked for in one call. */
  askSoon() {
    queueMicrotask(() => this.#ask());
  }

  /** Ask for everything again. */
  askAllAgain() {
    this.#doubt();
    this.#answered = false;
    this.#requests.forgetAll();
    this.#retryIn = RETRY_MS.min;
    this.#ask();
  }

  /** Ask for the list again, as for its counts. */
  askForListAgain() {
    this.#requests.forgetList();
    this.askSoon();
  }

  /** Stop watching a task. A list may leave hundreds at once. @param {string} taskId */
  unwatch(taskId) {
    this.#left.push(taskId);
    queueMicrotask(() => {
      const ids = this.#left.splice(0, MAX_IDS).filter((id) => !this.#tasks.find(id)); // else it is watched again
      if (ids.length) this.#connection.request("unwatch", { task_ids: ids }).catch(() => undefined);
    });
  }

  /** Ask no more, for good: the connection is closed too. */
  close() {
    clearTimeout(this.#retryTimer);
  }

  #onConnect() {
    this.#serverIsLive = true; // unless it says otherwise
    this.#tasks.doubtEnded();
    this.askAllAgain();
  }

  /** @param {import("./connection.js").ServerState} server */
  #onAnnounced({ live }) {
    const isBack = live && !this.#serverIsLive;
    this.#serverIsLive = live;
    if (isBack) return this.askAllAgain();
    if (this.#asking) return;
    for (const [, task] of this.#tasks.entries) {
      // News of the server are a sign that the queue has moved.
      if (task.snapshot?.phase === "queued") task.asked = false;
    }
    this.#ask();
  }

  /** @param {string} taskId @param {import("./snapshot.js").LogLine[]} lines */
  #onLog(taskId, lines) {
    this.#tasks.find(taskId)?.appendLog(lines);
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#retryTimer);
    if (this.#asking || !this.#connection.connected) return;
    this.#asking = true;
    try {
      while (!this.#answered || this.#requests.isWanted) {
        const { isLast } = this.#requests; // what begins meanwhile is new
        this.#answered = true; // unless all is to be asked again before the answer comes
        await this.#withGrace(this.#requests.next());
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
   * Wait for an answer. On a socket that has answered before, waiting for the next answer does not count as a loss of
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
}
