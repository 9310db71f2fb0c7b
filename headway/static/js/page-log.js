/** The log of a task's own page: lines that the server has rendered, and those that come. */

import WORDS from "./card-words.js";
import { fill } from "./format.js";
import { MAX_SHOWN, lineElement, matches } from "./task-log.js";

/** @typedef {import("./snapshot.js").LogLine} LogLine */

const LINE = /^#L\d+$/; // of an address: the browser shows that line

export class PageLog {
  #box;
  #empty;
  #follow;

  /**
   * @param {HTMLElement} box holds the list, and says as data which lines are wanted
   * @param {HTMLElement} empty shown while there are no lines
   * @param {HTMLElement} follow a label with the check box
   */
  constructor(box, empty, follow) {
    this.#box = box;
    this.#empty = empty;
    this.#follow = /** @type {HTMLInputElement} */ (follow.querySelector("input"));
    follow.hidden = false;
    if (!LINE.test(location.hash)) this.#showEnd();
  }

  /** The number of the last line that the server has rendered. */
  get last() {
    return Number(this.#box.dataset.last);
  }

  /**
   * Add those lines that are wanted.
   *
   * @param {LogLine[]} lines
   * @param {number} lost the number of the last line before them that is no longer kept; 0: none is missing
   */
  add(lines, lost) {
    const list = /** @type {HTMLOListElement} */ (this.#box.querySelector("ol"));
    const { level = "", find = "" } = this.#box.dataset;
    const items = lines.filter((line) => matches(line, level, find)).map(lineElement);
    if (!items.length) return;
    list.append(...(lost ? [gap(lost)] : []), ...items);
    while (list.childElementCount > MAX_SHOWN) list.firstElementChild?.remove();
    this.#box.hidden = false;
    this.#empty.hidden = true;
    if (this.#follow.checked) this.#showEnd();
  }

  #showEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }
}

/** @param {number} lost */
function gap(lost) {
  const item = document.createElement("li");
  item.textContent = fill(WORDS.page.gap, { line: lost });
  return item;
}
