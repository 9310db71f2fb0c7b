/** The text of one stream in its box: drawn once per frame, and followed to its end if the person wishes. */

import { ColouredDrawing, markdownDrawing } from "./stream-drawing.js";

const QUIET_MS = 300; // without more text, after which what there is is drawn as if nothing followed

export class StreamOutput {
  #box;
  #follow;
  #most;
  /** Of Markdown once its reader is loaded. @type {Awaited<ReturnType<typeof markdownDrawing>> | undefined} */
  #drawing;
  #waiting = "";
  #isWhole = false;
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  #isStopped = false;

  /**
   * @param {HTMLElement} box
   * @param {HTMLInputElement} follow whether its end stays in view
   * @param {object} [options]
   * @param {"markdown"} [options.format] plain text without it
   * @param {number} [options.most] how many characters the box keeps, of the end
   */
  constructor(box, follow, { format, most = Infinity } = {}) {
    this.#box = box;
    this.#follow = follow;
    this.#most = most;
    if (format === "markdown") void this.#load();
    else this.#drawing = new ColouredDrawing(box);
    box.addEventListener("scroll", () => this.#onScroll());
    follow.addEventListener("change", () => this.#scroll(box.scrollTop));
  }

  /** @param {string} text that follows, or is the whole @param {boolean} isWhole */
  add(text, isWhole) {
    this.#isWhole ||= isWhole;
    this.#waiting = isWhole ? text : this.#waiting + text;
    this.#ask();
  }

  stop() {
    this.#isStopped = true;
    clearTimeout(this.#quiet);
    cancelAnimationFrame(this.#frame);
  }

  async #load() {
    this.#drawing = await markdownDrawing(this.#box);
    if (this.#isWhole || this.#waiting) this.#ask();
  }

  #ask() {
    if (!this.#isStopped) this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    if (!this.#drawing) return; // the text waits for it
    const { scrollTop } = this.#box;
    if (this.#isWhole) this.#drawing.clear();
    this.#drawing.add(this.#waiting, !this.#waiting);
    clearTimeout(this.#quiet);
    if (this.#waiting) this.#quiet = setTimeout(() => this.#ask(), QUIET_MS);
    this.#isWhole = false;
    this.#waiting = "";
    if (this.#follow.checked) this.#forgetBeginning();
    this.#scroll(scrollTop);
  }

  /** Not under the eyes of a person who reads there. */
  #forgetBeginning() {
    let excess = (this.#box.textContent ?? "").length - this.#most;
    while (excess > 0 && this.#box.firstChild) {
      const first = this.#box.firstChild;
      const { length } = first.textContent ?? "";
      if (length > excess) {
        if (first instanceof Text) first.deleteData(0, excess);
        return;
      }
      first.remove();
      excess -= length;
    }
  }

  /** @param {number} before */
  #scroll(before) {
    this.#box.scrollTop = this.#follow.checked ? this.#box.scrollHeight : before;
  }

  /** Scrolling away from the end stops following. */
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    this.#follow.checked = scrollHeight - scrollTop - clientHeight < 2;
  }
}
