/** The items of the task list: one for each task that it shows, each where it belongs. */

import { Choice } from "headway/choice.js";
import { isHeld } from "headway/chosen-items.js";
import { Placing } from "headway/frame-time.js";
import { ENDED, arrange, compare, rank } from "headway/order.js";
import { asShown } from "headway/snapshot.js";
import { TaskProgress } from "headway/task-progress.js";

/**
 * @typedef {import("headway/snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Known
 * @property {HTMLLIElement} item
 * @property {number} version
 * @property {string | undefined} phase its own, as the item has it
 * @property {string | undefined} shown with its parts
 */

export const MISSING = "missing"; // in place of a phase
const POINTER_MS = 1000; // nothing moves under a pointer that has moved for less
const MAX_SHOWN = 100; // tasks, of those that have ended; the older pages have the others
const FIRST = -2; // the rank of a request that has not been answered

export class TaskItems {
  /** @type {Map<string, Known>} by task id */
  #tasks = new Map();
  /** @type {Set<HTMLLIElement>} items that may stand elsewhere now */
  #unplaced = new Set();
  /** @type {Set<HTMLLIElement>} items that are not in the list yet */
  #new = new Set();
  placing = new Placing();
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
    for (const item of this.all) this.#tasks.set(item.dataset.taskId ?? "", rendered(item));
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
    Object.assign(item.dataset, { title, rank: FIRST });
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
    const { phase, version, created_at: created, title } = snapshot;
    const { phase: shown, finished_at } = asShown(snapshot);
    this.#tasks.set(snapshot.task_id, { item, version, phase, shown });
    if (known?.phase === phase && known.shown === shown) return;
    Object.assign(item.dataset, { phase, shown, created, finished: finished_at ?? "", title });
    if (!this.#new.has(item)) this.#unplaced.add(item);
  }

  /**
   * The task is gone.
   *
   * @param {string} taskId
   * @param {boolean} isForgotten
   */
  remove(taskId, isForgotten) {
    const known = this.#tasks.get(taskId);
    if (known && isForgotten) this.#leave(known.item);
    else if (known) known.item.dataset.phase = known.phase = MISSING;
  }

  /** Take in the first few of the new ones: once in a frame. @param {number} time the frame's */
  admit(time) {
    if (this.#new.size) this.#pointed = -Infinity;
    const items = [...this.#new].slice(0, this.placing.room(time));
    for (const item of items) {
      this.#new.delete(item);
      this.#list.append(item);
      this.#unplaced.add(item);
    }
    this.placing.measure(items.length, !this.#new.size);
  }

  /**
   * Put what has changed where it belongs, unless a pointer is on its way to something. A page that stays open holds
   * only what it shows: the oldest of those that have ended leave it.
   *
   * @param {(phase: string) => boolean} belongs whether a task of that phase does
   * @param {() => void} later called when the rest can be done, where not all can be now
   * @returns {boolean} whether some have left that were the oldest
   */
  place(belongs, later) {
    clearTimeout(this.#waiting);
    if (this.#new.size) later();
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
    const items = inOrder(this.all, this.#seen);
    arrange(this.#list, items, this.#unplaced);
    this.#unplaced.clear();
    return this.#trim(items);
  }

  /** @param {HTMLLIElement[]} items in their order */
  #trim(items) {
    const ended = items.filter((item) => Number(item.dataset.rank) === ENDED && !isHeld(item));
    for (const item of ended.slice(MAX_SHOWN)) this.#leave(item);
    return ended.length > MAX_SHOWN;
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
    this.#new.add(item);
    return item;
  }

  /** @param {HTMLLIElement} item */
  #leave(item) {
    this.#tasks.delete(item.dataset.taskId ?? "");
    this.#unplaced.delete(item);
    this.#new.delete(item);
    this.#choice.remove(item);
  }
}

/** @param {HTMLLIElement[]} items @param {string} seen until when failures have been seen */
function inOrder(items, seen) {
  return items.sort((one, other) => {
    const first = Number(one.dataset.rank) - Number(other.dataset.rank);
    return first || compare(placed(one), placed(other), seen);
  });
}

/** What is known of an item that the server has rendered. @param {HTMLLIElement} item @returns {Known} */
function rendered(item) {
  const { phase, shown } = item.dataset;
  return { item, version: 0, phase, shown };
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
