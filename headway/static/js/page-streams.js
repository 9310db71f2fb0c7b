/** Draws the streams of a task into its page, which the server has made with the text so far. */

import WORDS from "./card-words.js";
import { AnsiText, nodeOf } from "./ansi.js";
import { TaskStream } from "./task-stream.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-stream.js").StreamEvent} StreamEvent
 *
 * @callback ReadStreamOf reads what follows an offset of the stream with this name
 * @param {string} name
 * @param {number} offset
 * @param {number} epoch
 * @returns {Promise<StreamEvent>}
 */


export class PageStreams {
  #root;
  #template;
  #read;
  /** @type {Map<string, {stream: TaskStream, output: Output}>} */
  #streams = new Map();

  /**
   * @param {HTMLElement} root holds the streams that the server has drawn
   * @param {HTMLTemplateElement} template of one more
   * @param {ReadStreamOf} read
   */
  constructor(root, template, read) {
    this.#root = root;
    this.#template = template;
    this.#read = read;
    for (const section of root.querySelectorAll("section")) {
      this.#adopt(section.dataset.stream ?? "", section);
    }
  }

  /** Take in text as pushed. @param {StreamEvent & {name: string, closed: boolean}} event */
  take(event) {
    const { stream, output } = this.#find(event.name);
    stream.take(event);
    output.showState(event.closed);
  }

  /** Read what a snapshot says is there. @param {Snapshot} snapshot */
  reach({ streams }) {
    for (const [name, end] of Object.entries(streams)) {
      const { stream, output } = this.#find(name);
      stream.reach(end);
      output.showState(end.closed);
      output.showFile(Boolean(end.file));
    }
  }

  /** Read and draw no more. */
  stop() {
    for (const { stream, output } of this.#streams.values()) {
      stream.stop();
      output.stop();
    }
  }

  /** @param {string} name */
  #find(name) {
    return this.#streams.get(name) ?? this.#adopt(name, this.#make(name));
  }

  /** @param {string} name */
  #make(name) {
    const part = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const section = /** @type {HTMLElement} */ (part.querySelector("section"));
    const heading = section.querySelector("h2");
    section.dataset.stream = name;
    section.id = `stream-${name}`;
    if (heading) heading.textContent = name;
    for (const link of section.querySelectorAll("a")) {
      link.href = link.href.replace("/streams/name?", `/streams/${name}?`).replace("/files/name.txt", `/files/${name}.txt`);
    }
    section.querySelector("pre")?.setAttribute("aria-label", name);
    this.#root.append(section);
    return section;
  }

  /** @param {string} name @param {HTMLElement} section */
  #adopt(name, section) {
    const output = new Output(section);
    const stream = new TaskStream(
      (text, isWhole) => output.add(text, isWhole),
      (offset, epoch) => this.#read(name, offset, epoch),
    );
    this.#streams.set(name, { stream, output });
    return { stream, output };
  }
}

/** The text of one stream: drawn once per frame, and followed to its end if the person wishes. */
class Output {
  #box;
  #follow;
  #state;
  #note;
  #file;
  #colors = new AnsiText();
  #waiting = "";
  #isWhole = false;
  #frame = 0;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.#box = /** @type {HTMLElement} */ (section.querySelector("pre"));
    this.#state = /** @type {HTMLElement} */ (section.querySelector('[data-part="stream-state"]'));
    this.#file = /** @type {HTMLElement} */ (section.querySelector('[data-part="stream-file"]'));
    this.#note = /** @type {HTMLElement} */ (section.querySelector('[data-part="stream-cut"]'));
    const label = /** @type {HTMLElement} */ (section.querySelector("label"));
    this.#follow = /** @type {HTMLInputElement} */ (label.querySelector("input"));
    label.hidden = false;
    this.#box.addEventListener("scroll", () => this.#onScroll());
  }

  /** @param {string} text @param {boolean} isWhole */
  add(text, isWhole) {
    this.#isWhole ||= isWhole;
    this.#waiting = isWhole ? text : this.#waiting + text;
    this.#frame ||= requestAnimationFrame(() => this.#drawText());
  }

  /** @param {boolean} closed */
  showState(closed) {
    const words = closed ? WORDS.page.ended : WORDS.page.writing;
    if (this.#state.textContent !== words) this.#state.textContent = words;
  }

  /** @param {boolean} isThere whether a file has the whole text */
  showFile(isThere) {
    this.#file.hidden = !isThere;
  }

  stop() {
    cancelAnimationFrame(this.#frame);
  }

  #drawText() {
    this.#frame = 0;
    const { scrollTop } = this.#box;
    if (this.#isWhole) {
      this.#colors = new AnsiText();
      this.#box.replaceChildren();
      this.#note.hidden = true;
    }
    this.#box.append(...this.#colors.read(this.#waiting).map(nodeOf));
    this.#box.normalize(); // one text, so that what a person has selected stays one
    this.#isWhole = false;
    this.#waiting = "";
    this.#box.scrollTop = this.#follow.checked ? this.#box.scrollHeight : scrollTop;
  }

  /** Scrolling away from the end stops following. */
  #onScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    this.#follow.checked = scrollHeight - scrollTop - clientHeight < 2;
  }
}
