/**
 * Choosing several tasks of a list, and what is done to them together: a check box at each, and a bar. The server may
 * have made both; what lacks is made here.
 */

import WORDS from "./card-words.js";
import { buttonsReason } from "./connection-words.js";
import { left, phrase, possible } from "./choice-words.js";
import { ChosenItems } from "./chosen-items.js";
import { make, write } from "./drawn-elements.js";
import { fill } from "./format.js";
import { translated } from "./language.js";
import { newKey, reason } from "./requests.js";
import { requestChanges } from "./task-requests.js";

/**
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 * @typedef {import("./choice-words.js").Action} Action
 * @typedef {import("./task-requests.js").Refusal} Refusal
 */

const ACTIONS = /** @type {Action[]} */ (["cancel", "retry", "forget"]);

export class Choice {
  #items;
  #bar;
  #watcher;
  #isBusy = false;
  /** Whether "Forget" was pressed once, and asks to be pressed again. */
  #isAsked = false;
  #key = newKey(); // of the next request, until it was answered

  /**
   * @param {HTMLElement} list its items carry the task's id, phase and title as data
   * @param {HTMLElement} bar a form; an empty one gets its parts
   * @param {TaskWatcher} watcher
   */
  constructor(list, bar, watcher) {
    this.#bar = bar;
    this.#watcher = watcher;
    if (!bar.childElementCount) build(bar);
    this.#items = new ChosenItems(list, () => this.#showUnanswered());
    this.#part("all").addEventListener("change", () => this.#chooseAll());
    bar.addEventListener("submit", (event) => this.#onSubmit(event));
    this.#button("forget").addEventListener("blur", () => this.#ask(false));
    watcher.connection.on("change", () => this.show());
    for (const on of [list, bar]) {
      on.addEventListener("keydown", (event) => event.key === "Escape" && this.#choose([]));
    }
    this.show();
  }

  /** Show what is chosen and what can be done to it, after items have come, gone or changed. */
  show() {
    this.#items.complete();
    const { all: items, chosen } = this.#items;
    const all = /** @type {HTMLInputElement} */ (this.#part("all"));
    all.checked = chosen.length > 0 && chosen.length === items.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    this.#bar.hidden = !items.length && !this.#part("said").textContent;
    this.#bar.toggleAttribute("data-chosen", chosen.length > 0);
    write(this.#part("number"), chosen.length ? fill(WORDS.choice.number, { count: chosen.length }) : "");
    write(this.#part("left"), left(chosen.map(phaseOf)));
    const why = buttonsReason(this.#watcher.connection);
    for (const action of ACTIONS) {
      const button = this.#button(action);
      const count = chosen.filter((item) => possible(action, phaseOf(item))).length;
      write(button, phrase(action, count, action === "forget" && this.#isAsked));
      button.disabled = this.#isBusy || !count || why !== "";
      button.title = why;
    }
  }

  /**
   * Take an item away, and put its focus to the next one.
   *
   * @param {HTMLElement} item
   */
  remove(item) {
    const next = this.#items.remove(item);
    if (next !== undefined) (next ?? this.#part("all")).focus();
    this.show();
  }

  #chooseAll() {
    const { checked } = /** @type {HTMLInputElement} */ (this.#part("all"));
    this.#choose(checked ? this.#items.all : []);
  }

  /** @param {HTMLElement[]} chosen */
  #choose(chosen) {
    this.#items.set(chosen);
    this.#isAsked = false;
    this.#showUnanswered();
  }

  #showUnanswered() {
    this.#say("");
    this.show();
  }

  /** @param {boolean} isAsked */
  #ask(isAsked) {
    if (this.#isAsked === isAsked) return;
    this.#isAsked = isAsked;
    this.show();
  }

  // Requests

  /** @param {SubmitEvent} event */
  #onSubmit(event) {
    event.preventDefault();
    const action = /** @type {Action} */ (/** @type {HTMLButtonElement | null} */ (event.submitter)?.value);
    if (this.#isBusy || !ACTIONS.includes(action)) return;
    if (action === "forget" && !this.#isAsked) this.#ask(true);
    else void this.#act(action);
  }

  /** @param {Action} action */
  async #act(action) {
    const items = this.#items.chosen.filter((item) => possible(action, phaseOf(item)));
    const titles = new Map(items.map(({ dataset }) => [dataset.taskId ?? "", dataset.title ?? ""]));
    this.#isAsked = false;
    this.#busy(true);
    try {
      const { done, refused } = await requestChanges(this.#watcher, action, [...titles.keys()], this.#key);
      this.#key = newKey();
      this.#items.drop(items.filter(({ dataset }) => done.includes(dataset.taskId ?? "")));
      if (action === "forget") for (const id of done) this.#watcher.forget(id);
      this.#say(said(action, done.length, refused, titles));
    } catch (error) {
      this.#say(reason(error));
    } finally {
      this.#busy(false);
      const button = this.#button(action);
      const root = /** @type {Document | ShadowRoot} */ (this.#bar.getRootNode());
      if (!root.activeElement || root.activeElement === document.body) {
        (button.disabled || !button.checkVisibility() ? this.#part("all") : button).focus();
      }
    }
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#isBusy = busy;
    this.show();
  }

  /** @param {string} sentence */
  #say(sentence) {
    write(this.#part("said"), sentence);
  }

  /** @param {string} name @returns {HTMLElement} */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#bar.querySelector(`[data-part="${name}"]`));
  }

  /** @param {Action} action */
  #button(action) {
    return /** @type {HTMLButtonElement} */ (this.#bar.querySelector(`button[value="${action}"]`));
  }
}

/**
 * @param {Action} action
 * @param {number} count
 * @param {Refusal[]} refused
 * @param {Map<string, string>} titles by id
 */
function said(action, count, refused, titles) {
  const reasons = refused.map(({ task_id, message }) => `${titles.get(task_id)}: ${translated(message)}`);
  return [fill(WORDS.choice.done[action], { count }), ...reasons].join(" ");
}

/** @param {HTMLElement} item */
function phaseOf({ dataset }) {
  return dataset.phase ?? "";
}

/** @param {HTMLElement} bar */
function build(bar) {
  /** @param {string} name @param {HTMLElement} element */
  const part = (name, element) => {
    element.dataset.part = name;
    return element;
  };
  const all = part("all", make("input", { type: "checkbox" }));
  const buttons = ACTIONS.flatMap((value) => [make("button", { value }), " "]);
  bar.append(
    make("label", {}, all, ` ${WORDS.choice.all}`),
    part("number", make("span")),
    part("together", make("span", {}, ...buttons)),
    part("left", make("p")),
    part("said", make("p", { role: "status" })),
  );
}
