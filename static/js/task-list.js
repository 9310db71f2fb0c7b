/**
 * The visitor's tasks as a list, what needs the visitor first. What it is of (phases, words, older ones), its address
 * says, and the server has rendered; here it is kept up to date.
 */

import { Choice } from "headway/choice.js";
import { isHeld } from "headway/chosen-items.js";
import { ENDED, arrange, compare, rank } from "headway/order.js";
import { asShown } from "headway/snapshot.js";
import { TaskCounts } from "headway/task-counts.js";
import { TaskProgress } from "headway/task-progress.js";

/** @typedef {import("headway/snapshot.js").Snapshot} Snapshot */

const MISSING = "missing"; // in place of a phase
const POINTER_MS = 1000; // nothing moves under a pointer that has moved for less
const MAX_SHOWN = 100; // tasks, of those that have ended; the older pages have the others
const FIRST = -2; // the rank of a request that has not been answered

export class TaskList {
  /** @type {Map<string, {item: HTMLLIElement, version: number}>} by task id */
  #tasks = new Map();
  #counts = new TaskCounts();
  #stale = false; // whether what is shown waits for the next frame
  /** @type {Set<HTMLLIElement>} items that may stand elsewhere now */
  #unplaced = new Set();
  #pointed = -Infinity; // when a pointer last moved over the list
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #waiting;
  #root;
  #list;
  #seen;
  #phases;
  #words;
  #choice;
  /** Whether it is the page of all tasks, from the newest on. */
  #isWhole;

  /**
   * @param {HTMLElement} root holds the list, and beside it the filters and the words for an empty list
   * @param {import("headway/task-watcher.js").TaskWatcher} watcher
   */
  constructor(root, watcher) {
    const { seen = "", phases = "", words = "", older, counts, now } = root.dataset;
    this.#root = root;
    this.#list = /** @type {HTMLUListElement} */ (root.querySelector("ul"));
    this.#seen = seen;
    this.#phases = split(phases);
    this.#words = split(words.toLowerCase());
    this.#isWhole = older === undefined && !this.#phases.length && !this.#words.length;
    this.#list.addEventListener("pointermove", () => (this.#pointed = performance.now()));
    for (const item of this.#items) {
      const { taskId = "", phase = "" } = item.dataset;
      this.#tasks.set(taskId, { item, version: 0 });
      this.#counts.note(taskId, phase);
    }
    this.#choice = new Choice(this.#list, this.#part("choice"), watcher);
    if (counts) this.#counts.read(JSON.parse(counts), Date.parse(now ?? ""));
    this.#show();
  }

  /**
   * The visitor's tasks have been read.
   *
   * @param {import("headway/tracked-tasks.js").Counts} counts of all of them
   * @param {number} now
   */
  settle(counts, now) {
    delete this.#root.dataset.unknown;
    this.#counts.read(counts, now);
    this.#show();
  }

  /**
   * Say why tasks cannot be shown now, and dim those that are.
   *
   * @param {string} sentence empty: they can
   * @param {string} since when what is shown was true; empty: it still is
   */
  doubt(sentence, since) {
    const stale = this.#part("stale");
    if (sentence) this.#root.dataset.away = sentence;
    else delete this.#root.dataset.away;
    stale.textContent = since;
    stale.hidden = !since || !this.#list.childElementCount;
    this.#list.classList.toggle("dimmed", Boolean(since));
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
   * @returns {boolean} whether the counts have to be read again
   */
  receive(snapshot) {
    const known = this.#tasks.get(snapshot.task_id);
    if (known && snapshot.version < known.version) return false;
    const isUncounted = this.#counts.receive(snapshot);
    if (!known || known.item.dataset.phase !== snapshot.phase) this.#showSoon();
    const item = known?.item ?? this.#expected(snapshot) ?? (this.#isNew(snapshot) ? this.#insert(snapshot) : null);
    if (!item) return isUncounted;
    this.#tasks.set(snapshot.task_id, { item, version: snapshot.version });
    const { phase, finished_at } = asShown(snapshot);
    if (item.dataset.phase === snapshot.phase && item.dataset.shown === phase) return isUncounted;
    item.dataset.phase = snapshot.phase;
    item.dataset.shown = phase;
    item.dataset.created = snapshot.created_at;
    item.dataset.finished = finished_at ?? "";
    item.dataset.title = snapshot.title;
    this.#unplaced.add(item);
    return isUncounted;
  }

  /**
   * The task is no longer kept.
   *
   * @param {string} taskId
   * @param {boolean} isForgotten
   */
  remove(taskId, isForgotten) {
    const known = this.#tasks.get(taskId);
    this.#counts.remove(taskId);
    if (known && isForgotten) this.#leave(known.item);
    else if (known) known.item.dataset.phase = MISSING;
    this.#showSoon();
  }

  /**
   * Whether a task that is not shown belongs here: among older ones no newer one does.
   *
   * @param {Snapshot} snapshot
   */
  #isNew({ phase, title, status, error }) {
    if (this.#root.dataset.older !== undefined) return false;
    const text = `${title} ${status} ${error?.message ?? ""}`.toLowerCase();
    return this.#isOfPhase(phase) && this.#words.every((word) => text.includes(word));
  }

  /** @param {string} phase */
  #isOfPhase(phase) {
    return !this.#phases.length || phase === MISSING || this.#phases.includes(phase);
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
    for (const item of this.#unplaced) {
      if (!this.#isOfPhase(item.dataset.phase ?? "")) this.#leave(item);
      item.dataset.rank = String(rank(placed(item), this.#seen));
    }
    const items = this.#items.sort((one, other) => {
      const first = Number(one.dataset.rank) - Number(other.dataset.rank);
      return first || compare(placed(one), placed(other), this.#seen);
    });
    arrange(this.#list, items, this.#unplaced);
    this.#unplaced.clear();
    this.#trim(items);
  }

  /**
   * A page that stays open holds only what it shows: the oldest of those that have ended leave it.
   *
   * @param {HTMLLIElement[]} items in their order
   */
  #trim(items) {
    const isOver = (/** @type {HTMLLIElement} */ { dataset }) => Number(dataset.rank) === ENDED;
    const ended = items.filter((item) => isOver(item) && !isHeld(item));
    const oldest = ended.slice(MAX_SHOWN);
    for (const item of oldest) this.#leave(item);
    if (oldest.length) this.#part("trimmed").hidden = false;
  }

  /** @param {HTMLLIElement} item of another phase by now */
  #leave(item) {
    this.#tasks.delete(item.dataset.taskId ?? "");
    this.#unplaced.delete(item);
    this.#choice.remove(item);
  }

  get #items() {
    return [...this.#list.children].filter((child) => child instanceof HTMLLIElement);
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#root.querySelector(`:scope > [data-part=${name}]`));
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
    this.#choice.show();
    const { unknown, away } = this.#root.dataset; // words for as long as nobody has read which tasks there are
    for (const link of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll(".filters a"))) {
      const phases = split(link.dataset.phases ?? "");
      const count = this.#counts.of(phases);
      /** @type {HTMLElement} */ (link.querySelector("span")).textContent = unknown ? "–" : String(count);
      if (phases[0] === "retrying" || phases[0] === "waiting") link.hidden = !count && link.ariaCurrent !== "true";
    }
    const empty = this.#part("empty");
    empty.hidden = this.#list.childElementCount > 0;
    const hasElsewhere = this.#isWhole && this.#counts.of([]) > 0;
    empty.textContent = away ?? unknown ?? (hasElsewhere ? "Loading…" : (empty.dataset.none ?? ""));
  }
}

/** @param {string} words */
function split(words) {
  return words.split(/\s+/).filter(Boolean);
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
