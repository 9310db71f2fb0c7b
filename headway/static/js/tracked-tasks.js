/** What a page knows of the tasks that it watches, and the listeners of all of them. */

import { callAll } from "./listeners.js";
import { isFinal, normalize } from "./snapshot.js";
import { TrackedTask } from "./tracked-task.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./tracked-task.js").OnTask} OnTask
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
 * @param {Snapshot[]} newest of them
 * @returns {void}
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
    return this.entries.filter(([, task]) => !task.missing && task.isOpen).map(([id]) => id);
  }

  /** Ids of the tasks that are watched and have not been asked for on the present socket. */
  get unasked() {
    const entries = this.entries.filter(([, { asked, listeners }]) => !asked && listeners.size);
    return entries.filter(([, task]) => task.isOpen).map(([id]) => id);
  }

  /** @param {string} taskId */
  find(taskId) {
    return this.#tasks.get(taskId);
  }

  /** @param {string} taskId @returns {TrackedTask} */
  track(taskId) {
    const known = this.#tasks.get(taskId);
    if (known) return known;
    const task = new TrackedTask();
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
    if (!task.receive(next)) return;
    this.changes++;
    callAll(this.listListeners, next, next.task_id, false);
    task.emit();
  }

  /**
   * Take in that a task is gone, or not the caller's.
   *
   * @param {string} taskId
   */
  miss(taskId) {
    const task = this.#tasks.get(taskId);
    if (!task || task.missing) return;
    this.#emitGone(task, taskId);
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
    this.#emitGone(task, taskId);
  }

  /** @param {TrackedTask} task @param {string} taskId */
  #emitGone(task, taskId) {
    task.miss();
    callAll(this.listListeners, null, taskId, task.isForgotten);
    task.emit();
  }

  /** Have what has ended asked for again: a link may have been withdrawn. Of a list, reading it tells. */
  doubtEnded() {
    if (this.listListeners.size) return;
    for (const task of this.#tasks.values()) task.isDoubtful = task.snapshot !== null;
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
    callAll(this.readListeners, counts, newest.flatMap(({ task_id }) => this.#tasks.get(task_id)?.snapshot ?? []));
  }
}
