/**
 * Choosing several tasks of a list, and what is done to them together: a check box at each, and a bar. The server may
 * have made both; what lacks is made here.
 */

import { buttonsReason } from "./connection-words.js";
import { left, phrase, possible } from "./choice-words.js";
import { newKey, post, reason } from "./requests.js";

/**
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 * @typedef {import("./choice-words.js").Action} Action
 * @typedef {{task_id: string, code: string, message: string}} Refusal
 */

const MAX_IDS = 100; // in one request
const ACTIONS = /** @type {Action[]} */ (["cancel", "retry", "forget"]);

export class Choice {
  #list;
  #bar;
  #watcher;
  /** @type {HTMLElement | null} the item that was chosen last, where a range begins */
  #last = null;
  #withShift = false;
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
    this.#list = list;
    this.#bar = bar;
    this.#watcher = watcher;
    if (!bar.childElementCount) build(bar);
    const noteShift = (/** @type {any} */ { shiftKey }) => (this.#withShift = shiftKey);
    for (const type of ["keydown", "mousedown"]) list.addEventListener(type, noteShift, true);
    list.addEventListener("change", (event) => this.#onChange(event));
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
    const items = this.#items;
    for (const item of items) if (!boxOf(item)) item.prepend(box(item.dataset.title ?? ""));
    const chosen = items.filter(isChosen);
    const all = /** @type {HTMLInputElement} */ (this.#part("all"));
    all.checked = chosen.length > 0 && chosen.length === items.length;
    all.indeterminate = chosen.length > 0 && !all.checked;
    this.#bar.hidden = !items.length && !this.#part("said").textContent;
    this.#bar.toggleAttribute("data-chosen", chosen.length > 0);
    write(this.#part("number"), chosen.length ? `${chosen.length} chosen` : "");
    write(this.#part("left"), left(phasesOf(chosen)));
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
   * Whether an item is chosen, or has the focus: it should stay where it is.
   *
   * @param {HTMLElement} item
   */
  holds(item) {
    return isChosen(item) || hasFocus(item);
  }

  /**
   * Take an item away, and put its focus to the next one.
   *
   * @param {HTMLElement} item
   */
  remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const hadFocus = hasFocus(item);
    item.remove();
    if (this.#last === item) this.#last = null;
    if (hadFocus) (boxOf(/** @type {HTMLElement} */ (next)) ?? this.#part("all")).focus();
    this.show();
  }

  get #items() {
    const items = /** @type {HTMLElement[]} */ ([...this.#list.children]);
    return items.filter(({ dataset }) => dataset.taskId && dataset.phase !== "missing");
  }

  /** @param {Event} event */
  #onChange(event) {
    const changed = /** @type {HTMLInputElement} */ (event.target);
    if (changed.dataset.part !== "choose") return;
    const items = this.#items;
    const item = items.find((one) => one.contains(changed)) ?? null;
    const [from, to] = [this.#last, item].map((one) => items.indexOf(/** @type {HTMLElement} */ (one)));
    if (this.#withShift && from >= 0) {
      const range = items.slice(Math.min(from, to), Math.max(from, to) + 1);
      for (const one of range) set(one, changed.checked);
    }
    this.#last = item;
    this.#say("");
    this.show();
  }

  #chooseAll() {
    const { checked } = /** @type {HTMLInputElement} */ (this.#part("all"));
    this.#choose(checked ? this.#items : []);
  }

  /** @param {HTMLElement[]} chosen */
  #choose(chosen) {
    for (const item of this.#items) set(item, chosen.includes(item));
    this.#isAsked = false;
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
    const items = this.#items.filter((item) => isChosen(item) && possible(action, phaseOf(item)));
    const titles = new Map(items.map(({ dataset }) => [dataset.taskId ?? "", dataset.title ?? ""]));
    this.#isAsked = false;
    this.#busy(true);
    try {
      const { done, refused } = await this.#request(action, [...titles.keys()]);
      this.#key = newKey();
      for (const item of items) if (done.includes(item.dataset.taskId ?? "")) set(item, false);
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

  /**
   * @param {Action} action
   * @param {string[]} ids
   */
  async #request(action, ids) {
    const { server } = this.#watcher;
    /** @type {{done: string[], refused: Refusal[]}} */
    const all = { done: [], refused: [] };
    for (let from = 0; from < ids.length; from += MAX_IDS) {
      const body = { action, task_ids: ids.slice(from, from + MAX_IDS) };
      const means = { body, key: this.#key, headers: server.headers };
      const answer = await post(server.at("/tasks/batch"), means);
      for (const snapshot of answer.snapshots) this.#watcher.receive(snapshot);
      all.done.push(...answer.done);
      all.refused.push(...answer.refused);
    }
    return all;
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
  const reasons = refused.map(({ task_id, message }) => `${titles.get(task_id)}: ${message}`);
  return [`${count} ${DONE[action]}.`, ...reasons].join(" ");
}

const DONE = { cancel: "cancelled", retry: "started again", forget: "forgotten" };

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
function set(item, checked) {
  const found = boxOf(item);
  if (found) found.checked = checked;
}

/** @param {HTMLElement} item */
function phaseOf({ dataset }) {
  return dataset.phase ?? "";
}

/** @param {HTMLElement[]} items */
function phasesOf(items) {
  return items.map(phaseOf);
}

/** @param {HTMLElement} part @param {string} text */
function write(part, text) {
  if (part.textContent !== text) part.textContent = text;
}

/** @param {string} title */
function box(title) {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.dataset.part = "choose";
  input.part.add("choose");
  input.autocomplete = "off";
  input.ariaLabel = `Choose ${title}`;
  return input;
}

/** @param {HTMLElement} bar */
function build(bar) {
  const part = (/** @type {string} */ tag, /** @type {string} */ name) => {
    const element = document.createElement(tag);
    element.dataset.part = name;
    return element;
  };
  const all = /** @type {HTMLInputElement} */ (part("input", "all"));
  all.type = "checkbox";
  const label = document.createElement("label");
  label.append(all, " All on this page");
  const buttons = document.createElement("span");
  for (const action of ACTIONS) {
    const button = document.createElement("button");
    button.value = action;
    buttons.append(button, " ");
  }
  buttons.dataset.part = "together";
  const announced = part("p", "said");
  announced.role = "status";
  bar.append(label, part("span", "number"), buttons, part("p", "left"), announced);
}
