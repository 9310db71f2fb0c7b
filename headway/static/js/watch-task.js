/**
 * Watch tasks: pushed while the socket lives, polled while it does not. Whatever the way, each snapshot arrives at
 * `receive`, where its version decides.
 */

import { callAll } from "./listeners.js";
import { read } from "./reading.js";
import { isFinal, isNewer, withNumbers } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 *
 * @callback OnTask called with each newer snapshot, and the newest line of the task's log; null: no longer kept, or not
 *   the caller's
 * @param {Snapshot | null} snapshot
 * @param {LogLine | null} line
 * @returns {void}
 *
 * @callback OnMine called with each newer snapshot of any task; null: the task of this id is no longer kept
 * @param {Snapshot | null} snapshot
 * @param {string} taskId
 * @returns {void}
 *
 * @typedef {object} Watched
 * @property {Snapshot | null} snapshot
 * @property {LogLine | null} line
 * @property {boolean} missing
 * @property {boolean} asked on the present socket
 * @property {Set<OnTask>} listeners
 */

const MOST_IDS = 100; // in one request
const PATIENCE_MS = 2000; // without a live socket, before polling begins
const POLL_MS = { least: 2000, most: 10_000, growth: 1.5 };
const ASK_MS = { least: 500, most: 5000, growth: 2 };

export class TaskWatcher {
  /** @type {Map<string, Watched>} */
  #tasks = new Map();
  /** @type {Set<OnMine>} */
  #listListeners = new Set();
  /** @type {Set<() => void>} */
  #readListeners = new Set();
  #listAsked = false;
  #proven = false; // the present socket has answered
  #asking = false;
  #askAgainIn = ASK_MS.least;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #askTimer;
  #pollAgainIn = POLL_MS.least;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pollTimer;
  #polling = false;
  #isClosed = false;
  #served = true; // whether the server says that it hears
  #changes = 0;
  #fetch;
  #random;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {{fetch?: typeof fetch, random?: () => number}} [means]
   */
  constructor(connection, { fetch: get = (...request) => fetch(...request), random = Math.random } = {}) {
    this.connection = connection;
    this.server = connection.address;
    this.#fetch = get;
    this.#random = random;
    connection.on("connect", () => this.#connected());
    connection.on("announced", (server) => this.#announced(server));
    connection.on("snapshot", (snapshot) => this.receive(snapshot));
    connection.on("log", ({ task_id, lines }) => this.#append(task_id, lines));
    connection.on("change", () => this.#pollOrNot());
    this.#pollOrNot();
  }

  /**
   * Watch one task; call what is returned to stop.
   *
   * @param {string} taskId
   * @param {OnTask} onSnapshot
   */
  watchTask(taskId, onSnapshot) {
    const watched = this.#watched(taskId);
    watched.listeners.add(onSnapshot);
    if (watched.snapshot || watched.missing) onSnapshot(watched.snapshot, watched.line);
    this.#askSoon();
    return () => {
      watched.listeners.delete(onSnapshot);
      if (!watched.listeners.size) this.#forget(taskId, watched);
    };
  }

  /**
   * Watch all of the visitor's own tasks, also those started in another tab; call what is returned to stop.
   *
   * @param {OnMine} onSnapshot
   * @param {() => void} onRead called each time that all of them have been read
   */
  watchMine(onSnapshot, onRead = () => {}) {
    this.#listListeners.add(onSnapshot);
    this.#readListeners.add(onRead);
    this.#askSoon();
    return () => {
      this.#listListeners.delete(onSnapshot);
      this.#readListeners.delete(onRead);
    };
  }

  /**
   * Where pushed, acknowledged, polled and posted snapshots meet.
   *
   * @param {Snapshot} snapshot
   */
  receive(snapshot) {
    this.connection.observe(snapshot.updated_at);
    const watched = this.#watched(snapshot.task_id);
    if (!isNewer(snapshot, watched.snapshot)) return;
    watched.snapshot = withNumbers(snapshot);
    watched.missing = false;
    this.#changes++;
    callAll(this.#listListeners, snapshot, snapshot.task_id);
    this.#tell(watched);
  }

  /**
   * Read one task now, by plain HTTP and also when it has ended. Rejects where the server does not answer.
   *
   * @param {string} taskId
   */
  async refresh(taskId) {
    await this.#poll(`/status?${new URLSearchParams({ task_id: taskId })}`);
  }

  /** Whether nobody listens. */
  get isIdle() {
    return !this.#listListeners.size && [...this.#tasks.values()].every(({ listeners }) => !listeners.size);
  }

  /** Ask no more, and close the connection, for good. */
  close() {
    this.#isClosed = true;
    clearTimeout(this.#askTimer);
    clearTimeout(this.#pollTimer);
    this.connection.close();
  }

  /** Read the truth now: after sleep, after a network change, when the page becomes visible. */
  check() {
    this.#pollAgainIn = POLL_MS.least;
    if (this.connection.connected) {
      this.#askAllAgain();
    } else {
      this.connection.hurry();
      this.#pollNow();
    }
  }

  /** The same, and the server's time, where this machine has slept or its clock was set. */
  checkClock() {
    if (!this.connection.clock.hasSkipped()) return;
    this.check();
    void this.#pollNow(); // the answer brings it
  }

  /** @param {string} taskId @returns {Watched} */
  #watched(taskId) {
    const known = this.#tasks.get(taskId);
    if (known) return known;
    const watched = { snapshot: null, line: null, missing: false, asked: false, listeners: new Set() };
    this.#tasks.set(taskId, watched);
    return watched;
  }

  /** @param {string} taskId @param {Watched} watched */
  #forget(taskId, watched) {
    this.#tasks.delete(taskId);
    if (watched.asked) this.connection.request("unwatch", { task_ids: [taskId] }).catch(() => undefined);
  }

  /** @param {Watched} watched */
  #tell({ listeners, snapshot, line, missing }) {
    callAll(listeners, missing ? null : snapshot, line);
  }

  // Asking over the socket

  /** All that is begun in one turn goes out in one call. */
  #askSoon() {
    queueMicrotask(() => this.#ask());
  }

  #connected() {
    this.#served = true; // unless it says otherwise
    this.#askAllAgain();
  }

  #askAllAgain() {
    this.#doubt();
    this.#proven = this.#listAsked = false;
    for (const watched of this.#tasks.values()) watched.asked = false;
    this.#askAgainIn = ASK_MS.least;
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#askTimer);
    if (this.#asking || !this.connection.connected) return;
    this.#asking = true;
    try {
      while (!this.#proven || this.#listWanted() || this.#unasked().length) {
        const last = this.#unasked().length <= (this.#listWanted() ? 0 : MOST_IDS); // what begins meanwhile is new
        this.#proven = true; // by an answer, unless all is to be asked again before it comes
        await this.#orDoubt(this.#listWanted() ? this.#askForMine() : this.#askForTasks());
        if (last && this.#proven) this.#settle();
      }
      this.#settle(); // an answer may have ended tasks that were still to be asked for, and cards may have gone
      this.#askAgainIn = ASK_MS.least;
    } catch {
      this.#proven = false;
      this.#doubt();
      this.#askLater();
    } finally {
      this.#asking = false;
    }
  }

  /**
   * Wait for an answer. On a socket that has answered before, a question on its way is no loss of connection, unless it
   * takes long.
   *
   * @param {Promise<void>} answer
   */
  async #orDoubt(answer) {
    const timer = setTimeout(() => this.#doubt(), PATIENCE_MS);
    await answer.finally(() => clearTimeout(timer));
  }

  #settle() {
    this.connection.note({ settled: this.connection.connected });
  }

  #doubt() {
    this.connection.note({ settled: false });
  }

  #askLater() {
    if (!this.connection.connected) return; // the next connect asks
    this.#askTimer = setTimeout(() => this.#ask(), this.#askAgainIn * (0.5 + 0.5 * this.#random()));
    this.#askAgainIn = Math.min(ASK_MS.most, this.#askAgainIn * ASK_MS.growth);
  }

  #listWanted() {
    return this.#listListeners.size > 0 && !this.#listAsked;
  }

  #unasked() {
    const entries = [...this.#tasks].filter(([, { asked, listeners }]) => !asked && listeners.size);
    return entries.filter(([, { snapshot }]) => !snapshot || !isFinal(snapshot)).map(([id]) => id);
  }

  async #askForMine() {
    this.#listAsked = true;
    try {
      const { snapshots } = await this.connection.request("watch_mine", {});
      snapshots.forEach((/** @type {Snapshot} */ snapshot) => this.receive(snapshot));
      callAll(this.#readListeners);
    } catch (error) {
      this.#listAsked = false;
      throw error;
    }
  }

  async #askForTasks() {
    const ids = this.#unasked().slice(0, MOST_IDS);
    const after = Object.fromEntries(ids.map((id) => [id, this.#watched(id).line?.seq ?? 0]));
    // Set before the answer: a gap in the log that shows meanwhile takes it back, and the task is asked for again.
    ids.forEach((id) => (this.#watched(id).asked = true));
    try {
      const { snapshots, logs, missing } = await this.connection.request("watch", { task_ids: ids, after });
      snapshots.forEach((/** @type {Snapshot} */ snapshot) => this.receive(snapshot));
      missing.forEach((/** @type {string} */ id) => this.#miss(id));
      for (const [id, { lines }] of Object.entries(logs)) this.#catchUp(id, lines);
    } catch (error) {
      ids.forEach((id) => (this.#watched(id).asked = false));
      throw error;
    }
  }

  /** @param {string} taskId */
  #miss(taskId) {
    const watched = this.#tasks.get(taskId);
    if (!watched || watched.missing) return;
    watched.missing = true;
    watched.snapshot = null;
    callAll(this.#listListeners, null, taskId);
    this.#tell(watched);
  }

  /** @param {import("./connection.js").ServerState} server */
  #announced({ live }) {
    const back = live && !this.#served;
    this.#served = live;
    if (back) return this.#askAllAgain();
    if (this.#asking) return;
    for (const watched of this.#tasks.values()) {
      // The server's news are the sign that the queue has moved.
      if (watched.snapshot?.phase === "queued") watched.asked = false;
    }
    this.#ask();
  }

  // The log: lines carry numbers without gaps

  /** @param {string} taskId @param {LogLine[]} lines as pushed */
  #append(taskId, lines) {
    const watched = this.#tasks.get(taskId);
    if (!watched) return;
    for (const line of lines) {
      const last = watched.line?.seq ?? 0;
      if (line.seq === last + 1) watched.line = line;
      else if (line.seq > last) watched.asked = false;
    }
    this.#tell(watched);
    this.#ask();
  }

  /** @param {string} taskId @param {LogLine[]} lines as answered: older ones may no longer be kept */
  #catchUp(taskId, lines) {
    const watched = this.#tasks.get(taskId);
    const newest = lines.at(-1);
    if (!watched || !newest || newest.seq <= (watched.line?.seq ?? 0)) return;
    watched.line = newest;
    this.#tell(watched);
  }

  // Polling

  #pollOrNot() {
    if (this.#isClosed) return;
    if (this.connection.state !== "live") {
      this.#pollTimer ??= setTimeout(() => this.#pollNow(), PATIENCE_MS);
      return;
    }
    clearTimeout(this.#pollTimer);
    this.#pollTimer = undefined;
    this.#pollAgainIn = POLL_MS.least;
    this.connection.note({ pollSeconds: 0, pollFailed: false, fault: "" });
  }

  async #pollNow() {
    if (this.#polling) return;
    clearTimeout(this.#pollTimer);
    this.#polling = true;
    const changes = this.#changes;
    const paths = this.#paths();
    const results = await Promise.allSettled(paths.map((path) => this.#poll(path)));
    this.#polling = false;
    this.#pollTimer = undefined;
    if (this.#isClosed || this.connection.state === "live") return;
    this.#pollAgainIn =
      this.#changes > changes ? POLL_MS.least : Math.min(POLL_MS.most, this.#pollAgainIn * POLL_MS.growth);
    this.#pollTimer = setTimeout(() => this.#pollNow(), this.#pollAgainIn * (0.8 + 0.2 * this.#random()));
    const failed = results.find((result) => result.status === "rejected");
    this.connection.note({
      pollSeconds: paths.length ? Math.round(this.#pollAgainIn / 1000) : 0,
      pollFailed: failed !== undefined,
      fault: failed?.reason.message ?? "",
    });
  }

  #paths() {
    const unfinished = [...this.#tasks].filter(([, { snapshot, missing }]) => !missing && !(snapshot && isFinal(snapshot)));
    const paths = this.#listListeners.size ? ["/tasks"] : [];
    for (let from = 0; from < unfinished.length; from += MOST_IDS) {
      const ids = unfinished.slice(from, from + MOST_IDS).map(([id]) => ["task_id", id]);
      paths.push(`/status?${new URLSearchParams(ids)}`);
    }
    return paths;
  }

  /** @param {string} path */
  async #poll(path) {
    const { tasks, snapshots = tasks, missing = [], server } = await read(this.server, path, this.#fetch);
    this.connection.heard(server);
    snapshots.forEach((/** @type {Snapshot} */ snapshot) => this.receive(snapshot));
    missing.forEach((/** @type {string} */ id) => this.#miss(id));
    if (tasks) callAll(this.#readListeners);
  }
}
