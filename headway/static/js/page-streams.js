/** Draws the streams of a task into its page, which the server has made with the text so far. */

import WORDS from "./card-words.js";
import { translated } from "./language.js";
import { markdownBox } from "./stream-drawing.js";
import { StreamOutput } from "./stream-output.js";
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
  /** @type {Map<string, {stream: TaskStream, section: Section}>} */
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
    const { stream, section } = this.#find(event.name, event.format);
    stream.take(event);
    section.showState(event.closed);
  }

  /** Read what a snapshot says is there. @param {Snapshot} snapshot */
  reach({ streams }) {
    for (const [name, end] of Object.entries(streams)) {
      const { stream, section } = this.#find(name, end.format);
      stream.reach(end);
      section.showState(end.closed);
      section.showFile(Boolean(end.file));
    }
  }

  /** Read and draw no more. */
  stop() {
    for (const { stream, section } of this.#streams.values()) {
      stream.stop();
      section.stop();
    }
  }

  /** @param {string} name @param {"markdown"} [format] */
  #find(name, format) {
    return this.#streams.get(name) ?? this.#adopt(name, this.#make(name, format));
  }

  /** @param {string} name @param {"markdown"} [format] */
  #make(name, format) {
    const part = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const section = /** @type {HTMLElement} */ (part.querySelector("section"));
    const heading = section.querySelector("h2");
    section.dataset.stream = name;
    section.id = `stream-${name}`;
    if (heading) heading.textContent = translated(name);
    for (const link of section.querySelectorAll("a")) {
      link.href = link.href.replace("/streams/name?", `/streams/${name}?`).replace("/files/name.txt", `/files/${name}.txt`);
    }
    section.querySelector("pre")?.setAttribute("aria-label", name);
    if (format) section.dataset.format = format;
    this.#root.append(section);
    return section;
  }

  /** @param {string} name @param {HTMLElement} element */
  #adopt(name, element) {
    const section = new Section(element);
    const stream = new TaskStream(
      (text, isWhole) => section.add(text, isWhole),
      (offset, epoch) => this.#read(name, offset, epoch),
    );
    this.#streams.set(name, { stream, section });
    return { stream, section };
  }
}

/** The section of one stream. */
class Section {
  #output;
  #state;
  #note;
  #file;

  /** @param {HTMLElement} section */
  constructor(section) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (section.querySelector(name));
    this.#state = part('[data-part="stream-state"]');
    this.#file = part('[data-part="stream-file"]');
    this.#note = part('[data-part="stream-cut"]');
    const label = part("label");
    label.hidden = false;
    const follow = /** @type {HTMLInputElement} */ (label.querySelector("input"));
    const format = section.dataset.format === "markdown" ? "markdown" : undefined;
    const box = part('[data-part="stream-text"]');
    this.#output = new StreamOutput(format && box.matches("pre") ? markdownBox(box) : box, follow, { format });
  }

  /** @param {string} text @param {boolean} isWhole */
  add(text, isWhole) {
    if (isWhole) this.#note.hidden = true;
    this.#output.add(text, isWhole);
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
    this.#output.stop();
  }
}
