/**
 * Watch tasks: pushed while the socket lives, polled while it does not. Whatever the way, each
 * snapshot arrives at `TrackedTasks.receive`, where its version decides.
 */

import { Poller } from "./poller.js";
import { Subscriber } from "./subscriber.js";
import { TrackedTasks } from "./tracked-tasks.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./tracked-task.js").OnTask} OnTask
 * @typedef {import("./tracked-tasks.js").OnMine} OnMine
 */

const REFRESH_MS = 500;

export class TaskWatcher {
  #tasks = new TrackedTasks();
  #subscriber;
  #poller;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #refresh;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {{fetch?: typeof fetch, random?: () => number}} [means]
   */
  constructor(connection, means = {}) {
    const { fetch: get = fetch, random = Math.random } = means;
    this.connection = connection;
    this.server = connection.address;
    this.#subscriber = new Subscriber(connection, this.#tasks, random);
    this.#poller = new Poller(connection, this.#tasks, get, random);
    this.#tasks.readListeners.add(() => clearTimeout(this.#refresh));
    connection.on("snapshot", (snapshot) => this.receive(snapshot));
    connection.on("forgotten", ({ task_id, version }) => this.#tasks.forget(task_id, version));
  }

  /**
   * Watch one task; call what is returned to stop.
   *
   * @param {string} taskId
   * @param {OnTask} onSnapshot
   */
  watchTask(taskId, onSnapshot) {
    const task = this.#tasks.track(taskId);
    task.listeners.add(onSnapshot);
    if (task.snapshot || task.missing) onSnapshot(task.snapshot, task.line, task.isForgotten);
    if (!task.snapshot) this.#poller.resetInterval();
    this.#subscriber.askSoon();
    return () => {
      task.listeners.delete(onSnapshot);
      if (task.listeners.size) return;
      this.#tasks.remove(taskId);
      const isListed = this.server.token && this.#tasks.listListeners.size; // which hears of each of its tasks by itself
      if (task.asked && !isListed) this.#subscriber.unwatch(taskId);
    };
  }

  /**
   * Watch all of the visitor's own tasks, also those started in another tab; call what is returned
   * to stop.
   *
   * @param {OnMine} onSnapshot
   * @param {import("./tracked-tasks.js").OnRead} onRead
   */
  watchMine(onSnapshot, onRead = () => {}) {
    const { listListeners, readListeners } = this.#tasks;
    listListeners.add(onSnapshot);
    readListeners.add(onRead);
    this.#poller.resetInterval();
    this.#subscriber.askForListAgain();
    return () => {
      listListeners.delete(onSnapshot);
      readListeners.delete(onRead);
    };
  }

  /**
   * Take in a snapshot that was pushed, or posted.
   *
   * @param {Snapshot} snapshot
   */
  receive(snapshot) {
    this.connection.observe(snapshot.updated_at);
    this.#tasks.receive(snapshot);
  }

  /**
   * Take in that a task was forgotten here.
   *
   * @param {string} taskId
   */
  forget(taskId) {
    this.#tasks.forget(taskId);
  }

  /**
   * Read one task now, by plain HTTP and also when it has ended. Rejects where the server does not
   * answer.
   *
   * @param {string} taskId
   */
  async refresh(taskId) {
    await this.#poller.read(`/status?${new URLSearchParams({ task_id: taskId })}`);
  }

  /** What is known of a task, where that is newer than this. @param {Snapshot} snapshot */
  newest(snapshot) {
    const known = this.#tasks.find(snapshot.task_id)?.snapshot;
    return known && known.version > snapshot.version ? known : snapshot;
  }

  /** Have the list read again soon, unless that happens anyway: its counts may be wrong. */
  refreshListSoon() {
    clearTimeout(this.#refresh);
    this.#refresh = setTimeout(() => this.#subscriber.askForListAgain(), REFRESH_MS);
  }

  /** Whether nobody listens. */
  get isIdle() {
    return this.#tasks.isIdle;
  }

  /** Ask no more, and close the connection, for good. */
  close() {
    clearTimeout(this.#refresh);
    this.#subscriber.close();
    this.#poller.close();
    this.connection.close();
  }

  /** Read the truth now: after sleep, after a network change, when the page becomes visible. */
  check() {
    this.#poller.resetInterval();
    if (this.connection.connected) {
      this.#subscriber.askAllAgain();
    } else {
      this.connection.reconnectNow();
      void this.#poller.pollNow();
    }
  }

  /** The same, and the server's time, where this machine has slept or its clock was set. */
  checkClock() {
    if (!this.connection.clock.hasSkipped()) return;
    this.check();
    void this.#poller.pollNow(); // the answer brings it
  }
}
