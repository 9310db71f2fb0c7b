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
 * @param {boolean} isForgotten no longer kept because a person had it forgotten
 * @returns {void}
 *
 * @callback OnMine called with each newer snapshot of any task; null: the task of this id is no
 *   longer kept
 * @param {Snapshot | null} snapshot
 * @param {string} taskId
 * @param {boolean} isForgotten
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
 * @property {boolean} isForgotten
 * @property {boolean} isDoubtful whether the list that should have it did not
 * @property {boolean} asked on the present socket
 * @property {Set<OnTask>} listeners
 */

export class TrackedTasks {
  /** @type {Map<string, TrackedTask>} */
  #tasks = new Map();
  /** @type {Map<string, number>} by id, the version in which a task was forgotten: an answer may come late */
  #forgotten = new Map();
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
    return this.entries.filter(([, task]) => !task.missing && isOpen(task)).map(([id]) => id);
  }

  /** Ids of the tasks that are watched and have not been asked for on the present socket. */
  get unasked() {
    const entries = this.entries.filter(([, { asked, listeners }]) => !asked && listeners.size);
    return entries.filter(([, task]) => isOpen(task)).map(([id]) => id);
  }

  /** @param {string} taskId */
  find(taskId) {
    return this.#tasks.get(taskId);
  }

  /** @param {string} taskId @returns {TrackedTask} */
  track(taskId) {
    const known = this.#tasks.get(taskId);
    if (known) return known;
    const task = {
      snapshot: null,
      line: null,
      missing: false,
      isForgotten: false,
      isDoubtful: false,
      asked: false,
      listeners: new Set(),
    };
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
    const next = normalize(snapshot);
    if (next.version <= (this.#forgotten.get(next.task_id) ?? -1)) return;
    const task = this.track(next.task_id);
    task.isDoubtful = false;
    if (!isNewer(next, task.snapshot)) return;
    task.snapshot = next;
    task.missing = task.isForgotten = false;
    this.changes++;
    callAll(this.listListeners, next, next.task_id, false);
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
    this.#lose(task, taskId);
  }

  /**
   * Take in that a person had a task forgotten.
   *
   * @param {string} taskId
   * @param {number} [version] the last that it had
   */
  forget(taskId, version) {
    const task = this.track(taskId);
    const last = version ?? task.snapshot?.version ?? 0;
    this.#forgotten.set(taskId, Math.max(last, this.#forgotten.get(taskId) ?? 0));
    if (task.isForgotten) return;
    task.isForgotten = true;
    this.#lose(task, taskId);
  }

  /** @param {TrackedTask} task @param {string} taskId */
  #lose(task, taskId) {
    task.missing = true;
    task.snapshot = null;
    task.isDoubtful = false;
    callAll(this.listListeners, null, taskId, task.isForgotten);
    emit(task);
  }

  /**
   * The caller's own tasks have been read. An ended one that should be among the newest and is not may have been
   * forgotten while nothing was heard: it is asked for again.
   *
   * @param {Counts} counts
   * @param {Snapshot[]} newest
   */
  listRead(counts, newest) {
    const ids = new Set(newest.map(({ task_id }) => task_id));
    const since = newest.at(-1)?.created_at ?? "";
    for (const [id, task] of this.#tasks) {
      const { snapshot } = task;
      const isMissed = snapshot && isFinal(snapshot) && !ids.has(id) && snapshot.created_at >= since;
      if (isMissed) Object.assign(task, { isDoubtful: true, asked: false });
    }
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

/** Whether there may be news of a task. @param {TrackedTask} task */
function isOpen({ snapshot, isDoubtful }) {
  return !snapshot || !isFinal(snapshot) || isDoubtful;
}

/** @param {TrackedTask} task */
function emit({ listeners, snapshot, line, missing, isForgotten }) {
  callAll(listeners, missing ? null : snapshot, line, isForgotten);
}
