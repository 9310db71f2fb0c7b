/** The pages of a list, the newest first: which list is read, and how far. */

import { ListQuery } from "./list-filters.js";
import { read } from "./reading.js";

/** @typedef {import("./server.js").Server} Server */

export class ListPages {
  #server;
  #query = new ListQuery();
  /** @type {string | undefined} where older tasks begin: "" on the last page; not known before one was read */
  #next;

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
  }

  get query() {
    return this.#query;
  }

  /** Begin with another list. @param {ListQuery} query */
  show(query) {
    this.#query = query;
    this.#next = undefined;
  }

  /**
   * Whether there are older tasks than those that are shown.
   *
   * @param {number} all how many there are
   * @param {number} shown
   */
  hasOlder(all, shown) {
    if (this.#next !== undefined) return this.#next !== "";
    return this.#query.isWhole && all > shown;
  }

  /**
   * Read the next page. It throws the reason if that cannot be; then it is still the next one.
   *
   * @returns {Promise<any>} the answer of /tasks; null: another list has been asked for meanwhile
   */
  async read() {
    const query = this.#query;
    const answer = await read(this.#server, query.path(this.#next ?? ""), fetch).catch((error) => {
      if (query === this.#query) throw error;
    });
    if (query !== this.#query) return null;
    this.#next = answer.next ?? "";
    return answer;
  }
}
