/**
 * The visitor's tasks as a list, what needs the visitor first. What it is of (phases, words, older ones), its address
 * says, and the server has rendered; here it is kept up to date.
 */

import WORDS from "headway/card-words.js";
import { Choice } from "headway/choice.js";
import { ListQuery } from "headway/list-filters.js";
import { TaskCounts } from "headway/task-counts.js";

import { MISSING, TaskItems } from "./task-items.js";

/** @typedef {import("headway/snapshot.js").Snapshot} Snapshot */

export class TaskList {
  #counts = new TaskCounts();
  #stale = false; // whether what is shown waits for the next frame
  #root;
  #list;
  #items;
  #query;
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
    this.#query = new ListQuery(split(phases), words);
    this.#isWhole = older === undefined && this.#query.isWhole;
    this.#choice = new Choice(this.#list, this.#part("choice"), watcher);
    this.#items = new TaskItems(this.#list, this.#choice, seen);
    for (const { dataset } of this.#items.all) this.#counts.note(dataset.taskId ?? "", dataset.phase ?? "");
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
    const item = this.#items.expect(title);
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
    const known = this.#items.get(snapshot.task_id);
    if (known && snapshot.version < known.version) return false;
    const isUncounted = this.#counts.receive(snapshot);
    if (known?.phase !== snapshot.phase) this.#showSoon();
    const isOfNewest = this.#root.dataset.older === undefined; // among older ones no new one belongs
    this.#items.receive(snapshot, !known && isOfNewest && this.#query.matches(snapshot));
    return isUncounted;
  }

  /**
   * The task is gone.
   *
   * @param {string} taskId
   * @param {boolean} isForgotten
   */
  remove(taskId, isForgotten) {
    this.#counts.remove(taskId);
    this.#items.remove(taskId, isForgotten);
    this.#showSoon();
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#root.querySelector(`:scope > [data-part=${name}]`));
  }

  /** Show once in a frame, however many tasks have changed. */
  #showSoon() {
    if (this.#stale) return;
    this.#stale = true;
    this.#items.placing.ask((time) => {
      this.#stale = false;
      this.#items.admit(time);
      this.#show();
    });
  }

  #show() {
    const belongs = (/** @type {string} */ phase) => phase === MISSING || this.#query.allows(phase);
    const haveLeft = this.#items.place(belongs, () => this.#showSoon());
    if (haveLeft) this.#part("trimmed").hidden = false;
    this.#choice.show();
    const { unknown, away } = this.#root.dataset; // words for as long as nobody has read which tasks there are
    for (const link of /** @type {NodeListOf<HTMLElement>} */ (this.#root.querySelectorAll(".filters a"))) {
      const phases = split(link.dataset.phases ?? "");
      showCount(link, phases, this.#counts.of(phases), unknown !== undefined);
    }
    const empty = this.#part("empty");
    empty.hidden = this.#list.childElementCount > 0;
    const hasElsewhere = this.#isWhole && this.#counts.of([]) > 0;
    empty.textContent = away ?? unknown ?? (hasElsewhere ? WORDS.list.loading : (empty.dataset.none ?? ""));
  }
}

/**
 * Show how many tasks a filter finds; of those that are seldom needed, only one that finds some.
 *
 * @param {HTMLElement} link
 * @param {string[]} phases
 * @param {number} count
 * @param {boolean} isUnknown whether nobody has read yet which tasks there are
 */
function showCount(link, phases, count, isUnknown) {
  /** @type {HTMLElement} */ (link.querySelector("span")).textContent = isUnknown ? "–" : String(count);
  if (phases[0] === "retrying" || phases[0] === "waiting") link.hidden = !count && link.ariaCurrent !== "true";
}

/** @param {string} words */
function split(words) {
  return words.split(/\s+/).filter(Boolean);
}
