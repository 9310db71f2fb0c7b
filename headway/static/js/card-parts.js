/** The parts of a card: the server's, or our own, which are the same. */

import WORDS from "./card-words.js";

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
  const part = (/** @type {Part} */ name) => {
    const element = document.createElement(TAGS[name]);
    element.dataset.part = name;
    element.part.add(name);
    return element;
  };
  const [sign, title, actions, more, bar, headline, link, list, message] = /** @type {Part[]} */ (
    ["sign", "title", "actions", "more", "bar", "headline", "link", "details", "message"]
  ).map(part);
  set(sign, "aria-hidden", "true");
  title.textContent = words.title;
  set(more, "type", "button");
  set(more, "aria-expanded", "false");
  more.textContent = WORDS.card.more;
  set(bar, "max", "100");
  set(bar, "value", "0");
  set(bar, "aria-label", words.title);
  set(message, "role", "alert");
  more.hidden = link.hidden = list.hidden = true;
  headline.textContent = words.headline;
  const line = document.createElement("p");
  line.className = "said";
  line.append(headline, " ", part("text"), " ", part("numbers"), " ", link, " ", part("files"));
  const head = document.createElement("div");
  head.className = "head";
  head.append(sign, " ", title, " ", part("when"), " ", actions, " ", more);
  root.classList.add("card"); // styles match a class sooner than what is in an element
  root.replaceChildren(head, bar, " ", part("figure"), line, part("line"), part("streams"), message, part("note"), list);
}

/** @param {Element} element @param {string} name @param {string} value */
export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
