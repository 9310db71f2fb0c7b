/** How the text of a stream becomes nodes of its box, as it comes: in a terminal's colours, or as Markdown. */

import { AnsiText, nodeOf } from "./ansi.js";

/**
 * @typedef {import("./headway-markdown.js").Tree} Tree
 * @typedef {typeof import("./headway-markdown.js").MarkdownText} Reader
 */

// Beside the bundle as beside the module; a bundle that is a plain script knows its address by its element alone.
const script = /** @type {HTMLScriptElement | null | undefined} */ (globalThis.document?.currentScript);
const ADDRESS = new URL("headway-markdown.js", script?.src ?? import.meta.url).href;

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

class MarkdownDrawing {
  #box;
  #Reader;
  #text;
  /** Of the last block, which may go on. @type {ChildNode[]} */
  #open = [];

  /** @param {HTMLElement} box @param {Reader} Reader */
  constructor(box, Reader) {
    this.#box = box;
    this.#Reader = Reader;
    this.#text = new Reader();
  }

  clear() {
    this.#text = new this.#Reader();
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

/** Load what reads Markdown; where it cannot be had, the text is shown as it was written. @param {HTMLElement} box */
export async function markdownDrawing(box) {
  try {
    /** @type {{MarkdownText: Reader}} */
    const { MarkdownText } = await import(ADDRESS);
    return new MarkdownDrawing(box, MarkdownText);
  } catch (error) {
    console.error("Headway: Markdown is shown as plain text here.", error);
    box.className = "";
    box.style.whiteSpace = "pre-wrap";
    return new ColouredDrawing(box);
  }
}

/** Make a box for Markdown of one for plain text. @param {HTMLElement} box */
export function markdownBox(box) {
  const other = document.createElement("div");
  for (const { name, value } of box.attributes) other.setAttribute(name, value);
  other.className = "markdown";
  box.replaceWith(other);
  return other;
}
