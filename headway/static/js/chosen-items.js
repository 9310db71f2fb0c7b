/** The items of a list that a person chooses by check boxes: a range with Shift, none with Escape. */

import WORDS from "./card-words.js";
import { make } from "./drawn-elements.js";
import { fill } from "./format.js";

export class ChosenItems {
  #list;
  #onChange;
  /** @type {HTMLElement | null} the item that was chosen last, where a range begins */
  #last = null;
  #withShift = false;

  /**
   * @param {HTMLElement} list its items carry the task's id, phase and title as data
   * @param {() => void} onChange called when a person has chosen otherwise
   */
  constructor(list, onChange) {
    this.#list = list;
    this.#onChange = onChange;
    const noteShift = (/** @type {any} */ { shiftKey }) => (this.#withShift = shiftKey);
    for (const type of ["keydown", "mousedown"]) list.addEventListener(type, noteShift, true);
    list.addEventListener("change", (event) => this.#choose(/** @type {HTMLInputElement} */ (event.target)));
  }

  /** The items that can be chosen. */
  get all() {
    const items = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    return items.filter(({ dataset }) => dataset.taskId && dataset.phase !== "missing");
  }

  get chosen() {
    return this.all.filter(isChosen);
  }

  /** Give those a check box that have none. */
  complete() {
    for (const item of this.all) if (!boxOf(item)) item.prepend(box(item.dataset.title ?? ""));
  }

  /** Choose these and no others. @param {HTMLElement[]} chosen */
  set(chosen) {
    for (const item of this.all) check(item, chosen.includes(item));
  }

  /** Choose these no longer. @param {HTMLElement[]} items */
  drop(items) {
    for (const item of items) check(item, false);
  }

  /**
   * Take an item away. Returns the item that the focus belongs to then, null for none that is left; undefined where the
   * item had it not.
   *
   * @param {HTMLElement} item
   */
  remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const hadFocus = hasFocus(item);
    item.remove();
    if (this.#last === item) this.#last = null;
    return hadFocus ? boxOf(/** @type {HTMLElement | null} */ (next)) : undefined;
  }

  /** @param {HTMLInputElement} changed */
  #choose(changed) {
    if (changed.dataset.part !== "choose") return;
    const items = this.all;
    const item = items.find((one) => one.contains(changed)) ?? null;
    const [from, to] = [this.#last, item].map((one) => items.indexOf(/** @type {HTMLElement} */ (one)));
    if (this.#withShift && from >= 0) {
      const range = items.slice(Math.min(from, to), Math.max(from, to) + 1);
      for (const one of range) check(one, changed.checked);
    }
    this.#last = item;
    this.#onChange();
  }
}

/**
 * Whether an item is chosen, or has the focus: it should stay where it is.
 *
 * @param {HTMLElement} item
 */
export function isHeld(item) {
  return isChosen(item) || hasFocus(item);
}

/** @param {HTMLElement} item */
function hasFocus(item) {
  const { activeElement } = /** @type {Document | ShadowRoot} */ (item.getRootNode());
  return item.contains(activeElement) || item.querySelector("[data-busy]") !== null;
}

/** @param {HTMLElement | null} item @returns {HTMLInputElement | null} */
function boxOf(item) {
  return item && item.querySelector("[data-part=choose]");
}

/** @param {HTMLElement} item */
function isChosen(item) {
  return boxOf(item)?.checked ?? false;
}

/** @param {HTMLElement} item @param {boolean} checked */
function check(item, checked) {
  const found = boxOf(item);
  if (found) found.checked = checked;
}

/** @param {string} title */
function box(title) {
  const ariaLabel = fill(WORDS.list.choose, { title });
  const input = make("input", { type: "checkbox", part: "choose", autocomplete: "off", ariaLabel });
  input.dataset.part = "choose";
  return input;
}
