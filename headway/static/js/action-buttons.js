/** The buttons of a card, one for each action; shown are those that fit. */

import { makeButton } from "./drawn-elements.js";

/** @typedef {import("./words.js").Action} Action */

export class ActionButtons {
  /** @type {Map<Action, HTMLButtonElement>} */
  #buttons = new Map();
  #bar;
  #onAsk;
  /** @type {Action | ""} which was pressed once, and asks to be pressed again */
  #asked = "";

  /**
   * @param {HTMLElement} bar where they go
   * @param {() => void} onAsk called when one asks to be pressed again, or does so no more
   */
  constructor(bar, onAsk) {
    this.#bar = bar;
    this.#onAsk = onAsk;
  }

  /** @param {Action} action @param {() => void} act */
  add(action, act) {
    const button = makeButton("", act);
    button.hidden = true;
    button.dataset.action = action;
    button.addEventListener("blur", () => this.#ask(""));
    this.#buttons.set(action, button);
    this.#bar.append(button);
  }

  /** @param {Action} action */
  of(action) {
    return /** @type {HTMLButtonElement} */ (this.#buttons.get(action));
  }

  get all() {
    return [...this.#buttons.values()];
  }

  /** Whether this press of a button is the second; after the first it asks for that. @param {Action} action */
  isSure(action) {
    const isSure = this.#asked === action;
    if (isSure) this.#asked = "";
    else this.#ask(action);
    return isSure;
  }

  /** @param {Action | ""} action */
  #ask(action) {
    if (this.#asked === action) return;
    this.#asked = action;
    this.#onAsk();
  }

  /**
   * @param {{[action in Action]?: string}} offered the words of those that fit
   * @param {{[action in Action]?: string}} again their words while they ask to be pressed again
   * @param {string | undefined} title the task's
   */
  show(offered, again, title) {
    for (const [action, button] of this.#buttons) {
      const words = (offered[action] && this.#asked === action && again[action]) || (offered[action] ?? "");
      button.hidden = !words;
      if (button.textContent === words) continue;
      button.textContent = words;
      button.setAttribute("aria-label", `${words}: ${title}`);
    }
  }
}
