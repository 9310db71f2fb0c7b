/** The tools of an element's list: a search, filters with counts, and the way to older tasks. */

import WORDS from "./card-words.js";
import { make, makeButton, write } from "./drawn-elements.js";
import { ADDRESS, FILTERS, ListQuery } from "./list-filters.js";

/** @typedef {import("./task-counts.js").TaskCounts} TaskCounts */

export class ListTools {
  #search = make("input", {
    type: "search",
    placeholder: WORDS.list.search,
    maxLength: 200,
    ariaLabel: WORDS.list.search_label,
  });
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
    // Hidden until it is known that there are tasks.
    this.bar = make("div", { part: "tools", hidden: true }, this.#navigation(), this.#searchForm());
    this.older = Object.assign(makeButton(WORDS.list.older, onOlder), { part: "older", hidden: true });
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
      write(/** @type {HTMLElement} */ (button.querySelector("span")), String(count));
      button.ariaPressed = String(isCurrent);
      if (phases[0] === "retrying" || phases[0] === "waiting") button.hidden = !count && !isCurrent;
    }
  }

  /** @param {string} name @param {readonly string[]} phases */
  #filter(name, phases) {
    const button = makeButton(`${name} `, () => this.#ask(phases));
    button.append(make("span"));
    return button;
  }

  #navigation() {
    const properties = { role: "group", ariaLabel: WORDS.list.filters, className: "filters" };
    return make("div", properties, ...this.#filters.map(({ button }) => button));
  }

  #searchForm() {
    const input = this.#search;
    const form = make("form", { role: "search" }, input);
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
