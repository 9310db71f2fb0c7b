/** The log of a task's own page: lines that the server has rendered, and those that come. */

import WORDS from "./card-words.js";
import { fill } from "./format.js";
import { MAX_SHOWN, lineElement, matches } from "./task-log.js";

/** @typedef {import("./snapshot.js").LogLine} LogLine */

const LINE = /^#L\d+$/; // of an address: the browser shows that line
const SETTLING_FRAMES = 10;

export class PageLog {
  #box;
  #empty;
  #follow;
  #top = 0;

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
    // A reader who follows a link to a line stays there while the task goes on logging.
    const stay = () => (this.#follow.checked &&= !LINE.test(location.hash));
    stay();
    globalThis.addEventListener("hashchange", stay);
    box.addEventListener("scroll", () => this.#onScroll());
    this.#follow.addEventListener("change", () => this.#follow.checked && this.#showEnd());
    if (this.#follow.checked) this.#showEnd();
    else this.#showLine(location.hash.slice(1));
  }

  /** The number of the last line that the server has rendered. */
  get last() {
    return Number(this.#box.dataset.last);
  }

  /**
   * Add those lines that are wanted.
   *
   * @param {LogLine[]} lines
   * @param {number} lost the number of the last line before them that was dropped; 0: none is missing
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

  /**
   * Show the line of the page's address, which the browser does not always when a page is loaded again: lines that
   * it draws for the first time get their real heights in the next frames, and move those after them.
   *
   * @param {string} id
   */
  #showLine(id) {
    let frames = SETTLING_FRAMES;
    const show = () => {
      document.getElementById(id)?.scrollIntoView({ block: "nearest" });
      if (frames--) requestAnimationFrame(show);
    };
    show();
  }

  #showEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#top = this.#box.scrollTop;
  }

  /** A reader who scrolls up stays there; one whose lines need less room only loses its end. */
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 2;
    if (scrollTop < this.#top && !isAtEnd) this.#follow.checked = false;
    this.#top = scrollTop;
  }
}

/** @param {number} lost */
function gap(lost) {
  const item = document.createElement("li");
  item.textContent = fill(WORDS.page.gap, { line: lost });
  return item;
}
