/** The tools of an element's list: a search, filters with counts, and the way to older tasks. */

import WORDS from "./card-words.js";
import { ADDRESS, FILTERS, ListQuery } from "./list-filters.js";

/** @typedef {import("./task-counts.js").TaskCounts} TaskCounts */

export class ListTools {
  #search = document.createElement("input");
  /** @type {{button: HTMLButtonElement, phases: readonly string[]}[]} */
  #filters;
  #onQuery;
  #query = new ListQuery();

  /**
   * @param {(query: ListQuery) => void} onQuery called when another list is asked for
   * @param {() => void} onOlder
   */
  constructor(onQuery, onOlder) {
    this.#onQuery = onQuery;
    this.#filters = FILTERS.map(([name, phases]) => ({ button: this.#filter(WORDS.list.phases[name], phases), phases }));
    this.bar = document.createElement("div");
    this.bar.hidden = true; // until it is known that there are tasks
    this.bar.part.add("tools");
    this.bar.append(this.#navigation(), this.#searchForm());
    this.older = document.createElement("button");
    this.older.type = "button";
    this.older.part.add("older");
    this.older.textContent = WORDS.list.older;
    this.older.hidden = true;
    this.older.addEventListener("click", onOlder);
  }

  /** Ask for another list, if it is another one. @param {ListQuery} query */
  ask(query) {
    if (query.path("") === this.#query.path("")) return;
    this.#query = query;
    this.#search.value = query.words;
    this.#onQuery(query);
  }

  /** @param {TaskCounts} counts */
  show(counts) {
    for (const { button, phases } of this.#filters) {
      const count = counts.of([...phases]);
      const isCurrent = phases.join() === this.#query.phases.join();
      const number = /** @type {HTMLElement} */ (button.querySelector("span"));
      if (number.textContent !== String(count)) number.textContent = String(count);
      button.ariaPressed = String(isCurrent);
      if (phases[0] === "retrying" || phases[0] === "waiting") button.hidden = !count && !isCurrent;
    }
  }

  /** @param {string} name @param {readonly string[]} phases */
  #filter(name, phases) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(`${name} `, document.createElement("span"));
    button.addEventListener("click", () => this.#ask(phases));
    return button;
  }

  #navigation() {
    const group = document.createElement("div");
    group.role = "group";
    group.ariaLabel = WORDS.list.filters;
    group.className = "filters";
    group.append(...this.#filters.map(({ button }) => button));
    return group;
  }

  #searchForm() {
    const form = document.createElement("form");
    const input = this.#search;
    input.type = "search";
    input.placeholder = WORDS.list.search;
    input.maxLength = 200;
    input.ariaLabel = WORDS.list.search_label;
    form.role = "search";
    form.append(input);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask(this.#query.phases);
    });
    input.addEventListener("search", () => input.value || this.#ask(this.#query.phases)); // it was cleared
    return form;
  }

  /** @param {readonly string[]} phases */
  #ask(phases) {
    const before = this.#query;
    this.ask(new ListQuery(phases, this.#search.value));
    if (this.#query !== before) ADDRESS.write(this.#query);
  }
}
