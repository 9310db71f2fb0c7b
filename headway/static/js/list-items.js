/** The cards of a `<headway-list>`: an item for each task that it shows, each where it belongs. */

import { PARTS } from "./card-parts.js";
import { ENDED, arrange, compare, rank } from "./order.js";
import { asShown } from "./snapshot.js";

/**
 * @typedef {import("./choice.js").Choice} Choice
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Known
 * @property {HTMLElement} item
 * @property {Snapshot} snapshot
 * @property {Snapshot} shown
 */

const HANDED_ON = ["token", "actions"]; // attributes of the list that each of its cards has

export class ListItems {
  /** @type {Map<string, Known>} by task id */
  #known = new Map();
  #element;
  #seen;
  #list = document.createElement("ul");
  /** Takes part in what leaves the list. @type {Choice | undefined} */
  choice;

  /**
   * @param {HTMLElement} element the `<headway-list>`
   * @param {string} seen until when failures have been seen
   */
  constructor(element, seen) {
    this.#element = element;
    this.#seen = seen;
    this.#list.part.add("list");
    this.#list.setAttribute("role", "list"); // Safari takes it away from lists without bullets
  }

  get list() {
    return this.#list;
  }

  get size() {
    return this.#known.size;
  }

  /** @param {string} taskId */
  get(taskId) {
    return this.#known.get(taskId);
  }

  /**
   * Show a task; an older snapshot than the last changes nothing.
   *
   * @param {Snapshot} snapshot
   * @param {string} src of its card
   */
  take(snapshot, src) {
    const { task_id } = snapshot;
    const known = this.#known.get(task_id);
    if (known && snapshot.version < known.snapshot.version) return;
    const shown = asShown(snapshot);
    const { phase } = shown;
    const item = known?.item ?? this.#add(src);
    this.#known.set(task_id, { item, snapshot, shown }); // what is in it, its element watches
    if (known?.shown.phase === phase) return;
    Object.assign(item.dataset, { taskId: task_id, phase, title: snapshot.title });
    this.#place(item, shown);
    this.choice?.show();
  }

  /**
   * The task is no longer kept.
   *
   * @param {string} taskId
   * @param {boolean} isForgotten
   */
  lose(taskId, isForgotten) {
    const known = this.#known.get(taskId);
    if (!known) return;
    known.item.dataset.phase = "missing";
    if (isForgotten) this.remove(taskId);
    this.choice?.show();
  }

  /** Take away what does not belong here any more. @param {(snapshot: Snapshot) => boolean} belongs */
  keep(belongs) {
    for (const [taskId, { snapshot }] of this.#known) {
      if (!belongs(snapshot)) this.remove(taskId);
    }
  }

  /** @param {string} taskId of a task that is shown */
  remove(taskId) {
    const { item } = /** @type {Known} */ (this.#known.get(taskId));
    this.#known.delete(taskId);
    if (this.choice) this.choice.remove(item);
    else item.remove();
  }

  /** @param {string} src */
  #add(src) {
    const item = document.createElement("li");
    item.part.add("item");
    item.append(this.#card(src));
    this.#list.append(item);
    return item;
  }

  /** @param {string} src */
  #card(src) {
    const card = document.createElement("headway-task");
    card.setAttribute("src", src);
    for (const name of HANDED_ON) {
      const value = this.#element.getAttribute(name);
      if (value !== null) card.setAttribute(name, value);
    }
    card.setAttribute("exportparts", PARTS.join(", "));
    return card;
  }

  /** @param {HTMLElement} item @param {Snapshot} snapshot */
  #place(item, snapshot) {
    const isRow = rank(snapshot, this.#seen) === ENDED;
    item.querySelector("headway-task")?.toggleAttribute("row", isRow);
    const shown = [...this.#known.values()];
    shown.sort((one, other) => compare(one.shown, other.shown, this.#seen));
    arrange(this.#list, shown.map((one) => one.item), new Set([item]));
  }
}
