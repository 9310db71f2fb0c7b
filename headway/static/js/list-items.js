/** The cards of a `<headway-list>`: an item for each task that it shows, each where it belongs. */

import { PARTS } from "./card-parts.js";
import { make } from "./drawn-elements.js";
import { Placing } from "./frame-time.js";
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
  /** @type {Set<HTMLElement>} items that are not in the list yet, or may stand elsewhere now */
  #unplaced = new Set();
  #element;
  #seen;
  #list = make("ul", { part: "list", role: "list" }); // Safari takes the role away from lists without bullets
  #placing = new Placing();
  /** Takes part in what leaves the list. @type {Choice | undefined} */
  choice;

  /**
   * @param {HTMLElement} element the `<headway-list>`
   * @param {string} seen until when failures have been seen
   */
  constructor(element, seen) {
    this.#element = element;
    this.#seen = seen;
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
   * Show a task; an older snapshot than the last changes nothing. Returns whether it has an item from now on.
   *
   * @param {Snapshot} snapshot
   * @param {import("./server.js").Server} server
   */
  take(snapshot, server) {
    const { task_id } = snapshot;
    const known = this.#known.get(task_id);
    if (known && snapshot.version < known.snapshot.version) return false;
    const shown = asShown(snapshot);
    const { phase } = shown;
    const item = known?.item ?? this.#add(server.at(`/status/${encodeURIComponent(task_id)}`));
    this.#known.set(task_id, { item, snapshot, shown }); // what is in it, its element watches
    if (known?.shown.phase === phase) return false;
    Object.assign(item.dataset, { taskId: task_id, phase, title: snapshot.title });
    this.#placeSoon(item);
    return !known;
  }

  /**
   * The task is gone.
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
    this.#unplaced.delete(item);
    if (this.choice) this.choice.remove(item);
    else item.remove();
  }

  /** @param {string} src */
  #add(src) {
    return make("li", { part: "item" }, this.#card(src));
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

  /** Once in a frame, however many tasks have come or changed. @param {HTMLElement} item */
  #placeSoon(item) {
    if (!this.#unplaced.size) this.#placing.ask((time) => this.#place(time));
    this.#unplaced.add(item);
  }

  /** Put what has changed where it belongs, and of what is new the first few. @param {number} time the frame's */
  #place(time) {
    const inOrder = [...this.#known.values()];
    inOrder.sort((one, other) => compare(one.shown, other.shown, this.#seen));
    let room = this.#placing.room(time);
    const placed = inOrder.filter(({ item }) => item.parentElement || room-- > 0);
    const before = this.#list.childElementCount;
    for (const { item, shown } of placed) {
      const isRow = rank(shown, this.#seen) === ENDED;
      if (this.#unplaced.has(item)) item.querySelector("headway-task")?.toggleAttribute("row", isRow);
    }
    arrange(this.#list, placed.map(({ item }) => item), this.#unplaced);
    this.#placing.measure(placed.length - before, placed.length === inOrder.length);
    for (const { item } of placed) this.#unplaced.delete(item);
    if (this.#unplaced.size) this.#placing.ask((next) => this.#place(next));
    this.choice?.show();
  }
}
