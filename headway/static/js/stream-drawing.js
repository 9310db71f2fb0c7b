/** How the text of a stream becomes nodes of its box, as it comes: in a terminal's colours, or as Markdown. */

import { AnsiText, nodeOf } from "./ansi.js";
import { MarkdownText } from "./markdown.js";

/** @typedef {import("./markdown.js").Tree} Tree */

export class ColouredDrawing {
  #box;
  #colors = new AnsiText();

  /** @param {HTMLElement} box */
  constructor(box) {
    this.#box = box;
  }

  clear() {
    this.#colors = new AnsiText();
    this.#box.replaceChildren();
  }

  /** @param {string} text that follows */
  add(text) {
    this.#box.append(...this.#colors.read(text).map(nodeOf));
    this.#box.normalize(); // one text, so that what a person has selected stays one
  }
}

export class MarkdownDrawing {
  #box;
  #text = new MarkdownText();
  /** Of the last block, which may go on. @type {ChildNode[]} */
  #open = [];

  /** @param {HTMLElement} box */
  constructor(box) {
    this.#box = box;
  }

  clear() {
    this.#text = new MarkdownText();
    this.#open = [];
    this.#box.replaceChildren();
  }

  /** @param {string} text that follows */
  add(text) {
    const { done, open } = this.#text.read(text);
    const next = open.map(elementOf);
    for (const node of this.#open) node.remove();
    this.#box.append(...done.map(elementOf), ...next);
    this.#open = next;
  }
}

/** @param {Tree} tree @returns {HTMLElement} */
function elementOf({ tag, attributes = {}, children }) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((child) => (typeof child === "string" ? child : elementOf(child))));
  return element;
}

/** Make a box for Markdown of one for plain text. @param {HTMLElement} box */
export function markdownBox(box) {
  const other = document.createElement("div");
  for (const { name, value } of box.attributes) other.setAttribute(name, value);
  other.className = "markdown";
  box.replaceWith(other);
  return other;
}
