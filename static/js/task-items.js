/** The items of the task list: one for each task that it shows, each where it belongs. */

import { Choice } from "headway/choice.js";
import { isHeld } from "headway/chosen-items.js";
import { ENDED, arrange, compare, rank } from "headway/order.js";
import { asShown } from "headway/snapshot.js";
import { TaskProgress } from "headway/task-progress.js";

/** @typedef {import("headway/snapshot.js").Snapshot} Snapshot */

export const MISSING = "missing"; // in place of a phase
const POINTER_MS = 1000; // nothing moves under a pointer that has moved for less
const MAX_SHOWN = 100; // tasks, of those that have ended; the older pages have the others
const FIRST = -2; // the rank of a request that has not been answered

export class TaskItems {
  /** @type {Map<string, {item: HTMLLIElement, version: number}>} by task id */
  #tasks = new Map();
  /** @type {Set<HTMLLIElement>} items that may stand elsewhere now */
  #unplaced = new Set();
  #pointed = -Infinity; // when a pointer last moved over the list
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting;
  #list;
  #choice;
  #seen;

  /**
   * @param {HTMLUListElement} list the server may have filled it
   * @param {Choice} choice takes part in what leaves the list
   * @param {string} seen until when failures have been seen
   */
  constructor(list, choice, seen) {
    this.#list = list;
    this.#choice = choice;
    this.#seen = seen;
    list.addEventListener("pointermove", () => (this.#pointed = performance.now()));
    for (const item of this.all) this.#tasks.set(item.dataset.taskId ?? "", { item, version: 0 });
  }

  get all() {
    return [...this.#list.children].filter((child) => child instanceof HTMLLIElement);
  }

  /** @param {string} taskId */
  get(taskId) {
    return this.#tasks.get(taskId);
  }

  /**
   * Put first a card for a request that has not been answered yet.
   *
   * @param {string} title
   */
  expect(title) {
    const item = card({ label: title });
    item.dataset.title = title;
    item.dataset.rank = String(FIRST);
    this.#list.prepend(item);
    return item;
  }

  /**
   * Show a task that the list has, or may have: in a card that was expected, or in one of its own.
   *
   * @param {Snapshot} snapshot not older than the last
   * @param {boolean} mayBegin whether it belongs here if it has no item yet
   */
  receive(snapshot, mayBegin) {
    const known = this.#tasks.get(snapshot.task_id);
    const item = known?.item ?? this.#expected(snapshot) ?? (mayBegin ? this.#insert(snapshot) : null);
    if (!item) return;
    this.#tasks.set(snapshot.task_id, { item, version: snapshot.version });
    const { phase, finished_at } = asShown(snapshot);
    if (item.dataset.phase === snapshot.phase && item.dataset.shown === phase) return;
    item.dataset.phase = snapshot.phase;
    item.dataset.shown = phase;
    item.dataset.created = snapshot.created_at;
    item.dataset.finished = finished_at ?? "";
    item.dataset.title = snapshot.title;
    this.#unplaced.add(item);
  }

  /**
   * The task is no longer kept.
   *
   * @param {string} taskId
   * @param {boolean} isForgotten
   */
  remove(taskId, isForgotten) {
    const known = this.#tasks.get(taskId);
    if (known && isForgotten) this.#leave(known.item);
    else if (known) known.item.dataset.phase = MISSING;
  }

  /**
   * Put what has changed where it belongs, unless a pointer is on its way to something. A page that stays open holds
   * only what it shows: the oldest of those that have ended leave it.
   *
   * @param {(phase: string) => boolean} belongs whether a task of that phase does
   * @param {() => void} later called when it can be done, if it cannot be now
   * @returns {boolean} whether some have left that were the oldest
   */
  place(belongs, later) {
    clearTimeout(this.#waiting);
    if (!this.#unplaced.size) return false;
    const pause = this.#pointed + POINTER_MS - performance.now();
    if (pause > 0) {
      this.#waiting = setTimeout(later, pause);
      return false;
    }
    for (const item of this.#unplaced) {
      if (!belongs(item.dataset.phase ?? "")) this.#leave(item);
      item.dataset.rank = String(rank(placed(item), this.#seen));
    }
    const items = this.all.sort((one, other) => {
      const first = Number(one.dataset.rank) - Number(other.dataset.rank);
      return first || compare(placed(one), placed(other), this.#seen);
    });
    arrange(this.#list, items, this.#unplaced);
    this.#unplaced.clear();
    return this.#trim(items);
  }

  /** @param {HTMLLIElement[]} items in their order */
  #trim(items) {
    const isOver = (/** @type {HTMLLIElement} */ { dataset }) => Number(dataset.rank) === ENDED;
    const ended = items.filter((item) => isOver(item) && !isHeld(item));
    const oldest = ended.slice(MAX_SHOWN);
    for (const item of oldest) this.#leave(item);
    return oldest.length > 0;
  }

  /** @param {Snapshot} snapshot */
  #expected({ task_id, title }) {
    const item = this.all.find(({ dataset }) => !dataset.taskId && dataset.title === title);
    if (!item) return undefined;
    item.dataset.taskId = task_id;
    item.querySelector("task-progress")?.setAttribute("task-id", task_id);
    return item;
  }

  /** @param {Snapshot} snapshot */
  #insert({ task_id }) {
    const item = card({ "task-id": task_id });
    item.dataset.taskId = task_id;
    this.#list.append(item);
    this.#pointed = -Infinity;
    return item;
  }

  /** @param {HTMLLIElement} item */
  #leave(item) {
    this.#tasks.delete(item.dataset.taskId ?? "");
    this.#unplaced.delete(item);
    this.#choice.remove(item);
  }
}

/** @param {HTMLLIElement} item */
function placed({ dataset }) {
  const { phase = "", shown = phase, created = "", finished = "" } = dataset;
  return { phase: shown, created_at: created, finished_at: finished };
}

/** @param {Record<string, string>} attributes of the task-progress in it */
function card(attributes) {
  const item = document.createElement("li");
  const progress = new TaskProgress();
  for (const [name, value] of Object.entries(attributes)) progress.setAttribute(name, value);
  item.append(progress);
  return item;
}
