/** Making the elements of a page, and changing what has changed of them. */

/**
 * An element with these properties and content.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Omit<Partial<HTMLElementTagNameMap[Tag]>, "part"> & {part?: string}} [properties]
 * @param {(Node | string)[]} content
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

/**
 * A button of these words that acts once for a double click: that is one wish, however fast the first was answered.
 *
 * @param {string} words
 * @param {() => void} act
 */
export function makeButton(words, act) {
  const button = make("button", { type: "button" }, words);
  button.addEventListener("click", ({ detail }) => detail < 2 && act());
  return button;
}

/** @param {Element} element @param {string} name @param {string} value */
export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {Element} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
