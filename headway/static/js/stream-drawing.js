/** How the text of a stream becomes nodes of its box, as it comes: in a terminal's colours, or as Markdown. */

import { AnsiText, nodeOf } from "./ansi.js";

/**
 * @typedef {import("./headway-markdown.js").Tree} Tree
 * @typedef {import("./headway-markdown.js").Piece} Piece
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
  /** Of what a link that is defined later may change. @type {Map<Piece, ChildNode[]>} */
  #changing = new Map();

  /** @param {HTMLElement} box @param {Reader} Reader */
  constructor(box, Reader) {
    this.#box = box;
    this.#Reader = Reader;
    this.#text = new Reader();
  }

  clear() {
    this.#text = new this.#Reader();
    this.#open = [];
    this.#changing.clear();
    this.#box.replaceChildren();
  }

  /** @param {string} text that follows @param {boolean} isQuiet whether nothing seems to follow it */
  add(text, isQuiet) {
    const { done, changed, open } = this.#text.read(text, isQuiet);
    for (const piece of changed) this.#replace(piece);
    for (const node of this.#open) node.remove();
    for (const piece of done) this.#box.append(...this.#drawn(piece));
    this.#open = open.map(elementOf);
    this.#box.append(...this.#open);
  }

  /** @param {Piece} piece */
  #replace(piece) {
    const [first, ...others] = (this.#changing.get(piece) ?? []).filter(({ parentNode }) => parentNode === this.#box);
    if (!first) return; // the box has forgotten it
    for (const node of others) node.remove();
    first.replaceWith(...this.#drawn(piece));
  }

  /** @param {Piece} piece */
  #drawn(piece) {
    const nodes = piece.trees.map(elementOf);
    if (piece.canChange) this.#changing.set(piece, nodes);
    return nodes;
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
