/** What a page knows of the tasks that it watches, and the listeners that it tells. */

import { callAll } from "./listeners.js";
import { isFinal, isNewer, normalize } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 *
 * @callback OnTask called with each newer snapshot, and the newest line of the task's log; null:
 *   no longer kept, or not the caller's
 * @param {Snapshot | null} snapshot
 * @param {LogLine | null} line
 * @returns {void}
 *
 * @callback OnMine called with each newer snapshot of any task; null: the task of this id is no
 *   longer kept
 * @param {Snapshot | null} snapshot
 * @param {string} taskId
 * @returns {void}
 *
 * @typedef {Record<string, number>} Counts of all tasks that are kept, by phase
 *
 * @callback OnRead called each time that the caller's own tasks have been read
 * @param {Counts} counts
 * @returns {void}
 *
 * @typedef {object} TrackedTask
 * @property {Snapshot | null} snapshot
 * @property {LogLine | null} line
 * @property {boolean} missing
 * @property {boolean} asked on the present socket
 * @property {Set<OnTask>} listeners
 */

export class TrackedTasks {
  /** @type {Map<string, TrackedTask>} */
  #tasks = new Map();
  /** @type {Set<OnMine>} */
  listListeners = new Set();
  /** @type {Set<OnRead>} */
  readListeners = new Set();
  /** How many snapshots were newer than what was known. */
  changes = 0;

  /** Whether nobody listens. */
  get isIdle() {
    return !this.listListeners.size && this.entries.every(([, { listeners }]) => !listeners.size);
  }

  /** @returns {[string, TrackedTask][]} */
  get entries() {
    return [...this.#tasks];
  }

  /** Ids of the tasks of which news may still come. */
  get unfinished() {
    const isOpen = (/** @type {TrackedTask} */ { snapshot, missing }) =>
      !missing && !(snapshot && isFinal(snapshot));
    return this.entries.filter(([, task]) => isOpen(task)).map(([id]) => id);
  }

  /** Ids of the tasks that are watched and have not been asked for on the present socket. */
  get unasked() {
    const entries = this.entries.filter(([, { asked, listeners }]) => !asked && listeners.size);
    return entries.filter(([, { snapshot }]) => !snapshot || !isFinal(snapshot)).map(([id]) => id);
  }

  /** @param {string} taskId */
  find(taskId) {
    return this.#tasks.get(taskId);
  }

  /** @param {string} taskId @returns {TrackedTask} */
  track(taskId) {
    const known = this.#tasks.get(taskId);
    if (known) return known;
    const task = { snapshot: null, line: null, missing: false, asked: false, listeners: new Set() };
    this.#tasks.set(taskId, task);
    return task;
  }

  /** @param {string} taskId */
  remove(taskId) {
    this.#tasks.delete(taskId);
  }

  /**
   * Take in a snapshot, if it is newer than what is known.
   *
   * @param {Snapshot} snapshot
   */
  receive(snapshot) {
    const task = this.track(snapshot.task_id);
    const next = normalize(snapshot);
    if (!isNewer(next, task.snapshot)) return;
    task.snapshot = next;
    task.missing = false;
    this.changes++;
    callAll(this.listListeners, next, next.task_id);
    emit(task);
  }

  /**
   * Take in that a task is no longer kept, or not the caller's.
   *
   * @param {string} taskId
   */
  miss(taskId) {
    const task = this.#tasks.get(taskId);
    if (!task || task.missing) return;
    task.missing = true;
    task.snapshot = null;
    callAll(this.listListeners, null, taskId);
    emit(task);
  }

  /**
   * The caller's own tasks have been read.
   *
   * @param {Counts} counts
   */
  listRead(counts) {
    callAll(this.readListeners, counts);
  }

  // The log: lines carry numbers without gaps

  /**
   * Take in lines as pushed; a gap in their numbers has the task asked for again.
   *
   * @param {string} taskId
   * @param {LogLine[]} lines
   */
  appendLog(taskId, lines) {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    for (const line of lines) {
      const last = task.line?.seq ?? 0;
      if (line.seq === last + 1) task.line = line;
      else if (line.seq > last) task.asked = false;
    }
    emit(task);
  }

  /**
   * Take in lines as answered: older ones may no longer be kept.
   *
   * @param {string} taskId
   * @param {LogLine[]} lines
   */
  catchUpLog(taskId, lines) {
    const task = this.#tasks.get(taskId);
    const newest = lines.at(-1);
    if (!task || !newest || newest.seq <= (task.line?.seq ?? 0)) return;
    task.line = newest;
    emit(task);
  }
}

/** @param {TrackedTask} task */
function emit({ listeners, snapshot, line, missing }) {
  callAll(listeners, missing ? null : snapshot, line);
}
