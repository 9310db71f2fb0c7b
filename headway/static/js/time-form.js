/** A small form for another time of a task, which a button opens and closes. */

import WORDS from "./card-words.js";
import { fill } from "./format.js";

const MINUTE_MS = 60_000;
const FARTHEST_MS = 365 * 24 * 60 * MINUTE_MS;

export class TimeForm {
  #button;
  #next;
  #save;
  /** @type {HTMLFormElement | undefined} */
  #form;

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} next what stands below it
   * @param {(time: string) => void} save takes the time by the reader's own clock
   */
  constructor(button, next, save) {
    this.#button = button;
    this.#next = next;
    this.#save = save;
    button.ariaExpanded = "false";
  }

  get isOpen() {
    return this.#form !== undefined;
  }

  get buttons() {
    return this.#form?.querySelectorAll("button") ?? [];
  }

  /**
   * @param {object} about
   * @param {string} about.label
   * @param {string} about.title the task's
   * @param {string | null} about.time the one that it has, RFC 3339
   * @param {number} about.now ms
   * @param {() => void} about.onEscape
   */
  open({ label, title, time, now, onEscape }) {
    const form = (this.#form = document.createElement("form"));
    const field = document.createElement("label");
    const input = document.createElement("input");
    const save = document.createElement("button");
    form.dataset.part = "change";
    field.append(label, " ", input);
    input.type = "datetime-local";
    input.required = true;
    input.min = wholeMinute(now);
    input.max = wholeMinute(now + FARTHEST_MS);
    input.value = wholeMinute(Math.max(now, Date.parse(time ?? "") || now));
    save.textContent = WORDS.time_form.save;
    save.setAttribute("aria-label", fill(WORDS.time_form.save_of, { title }));
    form.append(field, " ", save);
    form.addEventListener("keydown", ({ key }) => key === "Escape" && onEscape());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save(input.value);
    });
    this.#next.before(form);
    this.#button.ariaExpanded = "true";
    input.focus();
  }

  /** Return whether it had the focus. */
  close() {
    const form = this.#form;
    if (!form) return false;
    const root = /** @type {Document | ShadowRoot} */ (form.getRootNode());
    const hadFocus = form.contains(root.activeElement);
    form.remove();
    this.#form = undefined;
    this.#button.ariaExpanded = "false";
    return hadFocus;
  }
}

/**
 * The next whole minute of the reader's own clock, as a datetime-local field has it.
 *
 * @param {number} ms
 */
function wholeMinute(ms) {
  const minute = new Date(Math.ceil(ms / MINUTE_MS) * MINUTE_MS);
  return new Date(minute.getTime() - minute.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}
