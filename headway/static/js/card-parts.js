/** The parts of a card: the server's, or our own, which are the same. */

import WORDS from "./card-words.js";
import { make } from "./drawn-elements.js";

/**
 * @typedef {keyof typeof TAGS} Part
 * @typedef {Record<Part, HTMLElement>} Parts
 */

const TAGS = /** @type {const} */ ({
  sign: "span",
  title: "h3",
  when: "time",
  actions: "span",
  more: "button",
  bar: "progress",
  figure: "span",
  headline: "strong",
  text: "span",
  numbers: "span",
  link: "a",
  files: "span",
  line: "code",
  streams: "div",
  message: "p",
  note: "p",
  details: "dl",
});

export const PARTS = /** @type {Part[]} */ (Object.keys(TAGS));

/**
 * Find the parts in an element; an empty one gets them.
 *
 * @param {HTMLElement} root
 * @param {{title: string, headline: string}} words until the task's own are known
 * @returns {Parts}
 */
export function adopt(root, words) {
  if (!root.querySelector("[data-part]")) build(root, words);
  const entries = PARTS.map((name) => [name, root.querySelector(`[data-part="${name}"]`)]);
  return /** @type {Parts} */ (Object.fromEntries(entries));
}

/** @param {HTMLElement} root @param {{title: string, headline: string}} words */
function build(root, words) {
  /** @param {Part} name @param {object} [properties] */
  const part = (name, properties, text = "") => {
    const element = make(TAGS[name], { part: name, ...properties }, text);
    element.dataset.part = name;
    return element;
  };
  const head = [
    part("sign", { ariaHidden: "true" }),
    part("title", {}, words.title),
    part("when"),
    part("actions"),
    part("more", { type: "button", ariaExpanded: "false", hidden: true }, WORDS.card.more),
  ];
  const said = [part("headline", {}, words.headline), part("text"), part("numbers"), part("link", { hidden: true }), part("files")];
  root.classList.add("card"); // styles match a class sooner than what is in an element
  root.replaceChildren(
    make("div", { className: "head" }, ...apart(head)),
    part("bar", { max: 100, value: 0, ariaLabel: words.title }),
    " ",
    part("figure"),
    make("p", { className: "said" }, ...apart(said)),
    part("line"),
    part("streams"),
    part("message", { role: "alert" }),
    part("note"),
    part("details", { hidden: true }),
  );
}

/** With a space after each, as words have. @param {HTMLElement[]} elements */
function apart(elements) {
  return elements.flatMap((element) => [element, " "]);
}
