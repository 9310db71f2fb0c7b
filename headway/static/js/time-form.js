/** A small form for another time of a task, which a button opens and closes. */

import WORDS from "./card-words.js";
import { make } from "./drawn-elements.js";
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
    const input = make("input", {
      type: "datetime-local",
      required: true,
      min: wholeMinute(now),
      max: wholeMinute(now + FARTHEST_MS),
      value: wholeMinute(Math.max(now, Date.parse(time ?? "") || now)),
    });
    const { save, save_of } = WORDS.time_form;
    const button = make("button", { ariaLabel: fill(save_of, { title }) }, save);
    const form = (this.#form = make("form", {}, make("label", {}, label, " ", input), " ", button));
    form.dataset.part = "change";
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
