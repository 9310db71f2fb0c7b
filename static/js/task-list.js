/** The visitor's tasks as a list, what needs the visitor first, with its filters. */

import { arrange, compare, rank } from "headway/order.js";
import { TaskProgress } from "headway/task-progress.js";

/**
 * @typedef {import("headway/snapshot.js").Snapshot} Snapshot
 * @typedef {import("headway/snapshot.js").Phase} Phase
 * @typedef {"all" | "running" | "failed" | "done"} Filter
 */

const MISSING = "missing"; // in place of a phase
const POINTER_MS = 1000; // nothing moves under a pointer that has moved for less
const FIRST = -1; // the rank of a request that has not been answered

/** @type {Readonly<Record<Exclude<Filter, "all">, ReadonlySet<string | undefined>>>} */
const FILTERS = {
  running: phases("queued", "running", "retrying", "cancelling"),
  failed: phases("failed"),
  done: phases("succeeded", "cancelled"),
};

/** @param {Phase[]} phases */
function phases(...phases) {
  return new Set(phases);
}

export class TaskList {
  /** @type {Filter} */
  #filter = "all";
  /** @type {Map<string, {item: HTMLLIElement, version: number}>} by task id */
  #tasks = new Map();
  #stale = false; // whether what is shown waits for the next frame
  /** @type {Set<HTMLLIElement>} items that may stand elsewhere now */
  #unplaced = new Set();
  #pointed = -Infinity; // when a pointer last moved over the list
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting;
  #seen;
  #root;
  #list;
  #search;
  #empty;

  /** @param {HTMLElement} root holds the list, and beside it the filters and the words for an empty list */
  constructor(root) {
    this.#root = root;
    this.#list = /** @type {HTMLUListElement} */ (root.querySelector("ul"));
    this.#search = /** @type {HTMLInputElement} */ (root.querySelector("input[type=search]"));
    this.#empty = /** @type {HTMLElement} */ (root.querySelector("[data-part=empty]"));
    this.#seen = root.dataset.seen ?? "";
    this.#list.addEventListener("pointermove", () => (this.#pointed = performance.now()));
    this.#search.addEventListener("input", () => this.#show());
    for (const button of this.#buttons) button.addEventListener("click", () => this.#choose(button));
    for (const item of this.#items) this.#tasks.set(item.dataset.taskId ?? "", { item, version: 0 });
    this.#show();
  }

  /** All of the visitor's tasks have been read. */
  settle() {
    delete this.#root.dataset.unknown;
    this.#show();
  }

  /**
   * Show a card for a request that has not been answered yet; `accept` or `drop` it.
   *
   * @param {string} title
   * @returns {HTMLLIElement}
   */
  expect(title) {
    const item = card({ label: title });
    item.dataset.title = title;
    item.dataset.rank = String(FIRST);
    this.#list.prepend(item);
    this.#show();
    return item;
  }

  /**
   * The request was answered. Its task's push may have been faster, and have taken the card.
   *
   * @param {HTMLLIElement} item
   * @param {Snapshot} snapshot
   */
  accept(item, snapshot) {
    this.receive(snapshot);
    this.drop(item);
  }

  /**
   * Take away an expected card, unless a task has taken it.
   *
   * @param {HTMLLIElement} item
   */
  drop(item) {
    if (!item.dataset.taskId) item.remove();
    this.#show();
  }

  /**
   * An older snapshot than the last changes nothing: a start's own answer may come after its task's end.
   *
   * @param {Snapshot} snapshot
   */
  receive(snapshot) {
    const known = this.#tasks.get(snapshot.task_id);
    if (known && snapshot.version < known.version) return;
    const item = known?.item ?? this.#expected(snapshot) ?? this.#insert(snapshot);
    this.#tasks.set(snapshot.task_id, { item, version: snapshot.version });
    if (item.dataset.phase === snapshot.phase) return;
    item.dataset.phase = snapshot.phase;
    item.dataset.created = snapshot.created_at;
    item.dataset.finished = snapshot.finished_at ?? "";
    item.dataset.title = snapshot.title;
    this.#unplaced.add(item);
    this.#showSoon();
  }

  /**
   * The task is no longer kept.
   *
   * @param {string} taskId
   */
  remove(taskId) {
    const known = this.#tasks.get(taskId);
    if (!known) return;
    known.item.dataset.phase = MISSING;
    this.#showSoon();
  }

  /** @param {Snapshot} snapshot */
  #expected({ task_id, title }) {
    const item = this.#items.find(({ dataset }) => !dataset.taskId && dataset.title === title);
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

  /** Put what has changed where it belongs, unless a pointer is on its way to something. */
  #place() {
    clearTimeout(this.#waiting);
    if (!this.#unplaced.size) return;
    const pause = this.#pointed + POINTER_MS - performance.now();
    if (pause > 0) {
      this.#waiting = setTimeout(() => this.#showSoon(), pause);
      return;
    }
    for (const item of this.#unplaced) item.dataset.rank = String(rank(placed(item), this.#seen));
    const items = this.#items.sort((one, other) => {
      const first = Number(one.dataset.rank) - Number(other.dataset.rank);
      return first || compare(placed(one), placed(other), this.#seen);
    });
    arrange(this.#list, items, this.#unplaced);
    this.#unplaced.clear();
  }

  get #items() {
    return [...this.#list.children].filter((child) => child instanceof HTMLLIElement);
  }

  get #buttons() {
    return [...this.#root.querySelectorAll("button")].filter(({ dataset }) => dataset.filter);
  }

  /** @param {HTMLButtonElement} button */
  #choose(button) {
    this.#filter = /** @type {Filter} */ (button.dataset.filter);
    this.#show();
  }

  /** Show once in a frame, however many tasks have changed. */
  #showSoon() {
    if (this.#stale) return;
    this.#stale = true;
    requestAnimationFrame(() => {
      this.#stale = false;
      this.#show();
    });
  }

  #show() {
    this.#place();
    const words = this.#search.value.trim().toLowerCase();
    const items = this.#items;
    const { unknown } = this.#root.dataset; // words for as long as nobody has read which tasks there are
    const fits = (/** @type {Filter} */ filter, /** @type {HTMLLIElement} */ { dataset }) =>
      filter === "all" || FILTERS[filter].has(dataset.phase);
    for (const item of items) {
      item.hidden = !fits(this.#filter, item) || !(item.dataset.title ?? "").toLowerCase().includes(words);
    }
    for (const button of this.#buttons) {
      const filter = /** @type {Filter} */ (button.dataset.filter);
      button.ariaPressed = String(filter === this.#filter);
      const count = /** @type {HTMLElement} */ (button.querySelector("span"));
      count.textContent = unknown ? "–" : String(items.filter((item) => fits(filter, item)).length);
    }
    this.#empty.hidden = items.some(({ hidden }) => !hidden);
    this.#empty.textContent = items.length ? "Nothing matches." : (unknown ?? this.#empty.dataset.none ?? "");
  }
}

/** @param {HTMLLIElement} item */
function placed({ dataset }) {
  const { phase = "", created = "", finished = "" } = dataset;
  return { phase, created_at: created, finished_at: finished };
}

/** @param {Record<string, string>} attributes of the task-progress in it */
function card(attributes) {
  const item = document.createElement("li");
  const progress = new TaskProgress();
  for (const [name, value] of Object.entries(attributes)) progress.setAttribute(name, value);
  item.append(progress);
  return item;
}
