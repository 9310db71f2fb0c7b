/**
 * The ends of a task's streams, on its card. It is loaded when a card has one (see stream-loader.js), so it imports
 * nothing that the page has already.
 */

import css from "../streams.css";
import { markdownBox } from "./stream-drawing.js";
import { StreamOutput } from "./stream-output.js";
import { TaskStream } from "./task-stream.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-stream.js").StreamEvent} StreamEvent
 *
 * @typedef {object} StreamSource where the streams of a card come from, and what it says of them
 * @property {(name: string, offset: number, epoch: number) => Promise<StreamEvent>} read
 * @property {(name: string) => string} linkOf the address of a stream on the task's page
 * @property {{follow: string, name: (name: string) => string, output: (name: string) => string, more: (count: number) => string}} words
 *
 * @typedef {object} Shown
 * @property {HTMLElement} section
 * @property {TaskStream} stream
 * @property {StreamOutput} output
 */

const MAX_SHOWN = 2; // streams, the last that have begun
const MAX_CHARS = 4000; // of each
const TAIL_BYTES = 4096; // that a card reads which comes late

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** Pages of our own have these styles in theirs; an element has its own. @param {Node} root */
function style(root) {
  if (!(root instanceof ShadowRoot)) return;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets.push(sheet);
}

export class CardStreams {
  #box;
  #source;
  #more = document.createElement("p");
  /** @type {Map<string, Shown>} */
  #shown = new Map();

  /** @param {HTMLElement} box @param {StreamSource} source */
  constructor(box, source) {
    this.#box = box;
    this.#source = source;
    style(box.getRootNode());
    box.replaceChildren(this.#more);
  }

  /** Take in text as pushed; that of another stream is read on the task's page. @param {StreamEvent & {name: string}} event */
  take(event) {
    this.#shown.get(event.name)?.stream.take(event);
  }

  /** Show what a snapshot says is there. @param {Snapshot} snapshot */
  reach({ streams }) {
    const names = Object.keys(streams);
    const last = names.slice(-MAX_SHOWN);
    for (const name of [...this.#shown.keys()].filter((name) => !last.includes(name))) this.#remove(name);
    for (const name of last) this.#find(name, streams[name].format).stream.reach(streams[name]);
    this.#linkMore(names.length - last.length, names[0]);
  }

  /** Read and draw no more, and leave nothing. */
  stop() {
    for (const name of [...this.#shown.keys()]) this.#remove(name);
    this.#box.replaceChildren();
  }

  /** @param {string} name */
  #remove(name) {
    const { section, stream, output } = /** @type {Shown} */ (this.#shown.get(name));
    stream.stop();
    output.stop();
    section.remove();
    this.#shown.delete(name);
  }

  /** @param {string} name @param {"markdown"} [format] */
  #find(name, format) {
    const known = this.#shown.get(name);
    if (known) return known;
    const { section, box, follow } = this.#build(name);
    const output = new StreamOutput(format ? markdownBox(box) : box, follow, { format, most: MAX_CHARS });
    const stream = new TaskStream(
      (text, isWhole) => output.add(text, isWhole),
      (offset, epoch) => this.#source.read(name, offset, epoch),
      TAIL_BYTES,
    );
    const shown = { section, stream, output };
    this.#shown.set(name, shown);
    this.#more.before(section);
    return shown;
  }

  /** @param {string} name */
  #build(name) {
    const { words, linkOf } = this.#source;
    const [section, head, label, follow, box] = [
      document.createElement("section"),
      document.createElement("p"),
      document.createElement("label"),
      document.createElement("input"),
      document.createElement("pre"),
    ];
    section.ariaLabel = words.output(name);
    follow.type = "checkbox";
    follow.checked = true;
    follow.autocomplete = "off";
    label.append(follow, ` ${words.follow}`);
    head.append(anchor(linkOf(name), words.name(name)), " ", label);
    box.role = "log";
    box.ariaLive = "off"; // it would read out every word
    box.ariaLabel = name;
    box.tabIndex = 0;
    section.append(head, box);
    return { section, box, follow };
  }

  /** @param {number} count @param {string} first */
  #linkMore(count, first) {
    if (count <= 0) return this.#more.replaceChildren();
    const words = this.#source.words.more(count);
    if (this.#more.textContent !== words) this.#more.replaceChildren(anchor(this.#source.linkOf(first), words));
  }
}

/** @param {string} href @param {string} text */
function anchor(href, text) {
  const link = document.createElement("a");
  link.href = href;
  link.textContent = text;
  return link;
}
