/**
 * `<headway-form>`: a form that the server has made, in the reader's own time, off while nothing could be sent; its files
 * are uploaded as they are chosen.
 */

import WORDS from "./card-words.js";
import { FileField } from "./file-field.js";
import { formText, utcText } from "./form-times.js";
import { CREDENTIALS } from "./reading.js";

const RETRY_MS = 2000;
const TIMEOUT_MS = 5000;

export class HeadwayForm extends HTMLElement {
  /** @type {AbortController | undefined} */
  #end;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {FileField[]} */
  #files = [];

  connectedCallback() {
    this.#end = new AbortController();
    const { signal } = this.#end;
    const check = () => void this.#check();
    for (const event of ["online", "offline", "pageshow"]) addEventListener(event, check, { signal });
    this.#form.addEventListener("formdata", ({ formData }) => this.#send(formData), { signal });
    this.#form.addEventListener("submit", (event) => void this.#waitForFiles(event), { signal });
    const { uploads, max } = this.#form.dataset;
    this.#files = [...this.#form.querySelectorAll("input[type=file]")].map(
      (input) => new FileField(/** @type {HTMLInputElement} */ (input), uploads ?? "", Number(max), signal),
    );
    this.#showTimes();
    check();
  }

  disconnectedCallback() {
    this.#end?.abort();
    clearTimeout(this.#retry);
  }

  get #form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("form"));
  }

  /** @returns {NodeListOf<HTMLInputElement>} */
  get #times() {
    return this.#form.querySelectorAll("input[type=datetime-local]");
  }

  #showTimes() {
    for (const input of this.#times) {
      if (input.hasAttribute("data-own")) continue; // an element may move within its page
      input.toggleAttribute("data-own", true);
      input.value = formText(input.value);
      const help = document.getElementById(`${input.id}-help`);
      const words = help?.textContent ?? "";
      const at = words.lastIndexOf(WORDS.form.in_utc); // after the author's own words
      if (help && at >= 0) {
        const rest = words.slice(at + WORDS.form.in_utc.length);
        help.textContent = `${words.slice(0, at)}${WORDS.form.in_own_zone}${rest}`;
      }
    }
  }

  /** Send the form once its files are uploaded. @param {SubmitEvent} event */
  async #waitForFiles(event) {
    if (!this.#files.some((file) => file.isUploading)) return;
    event.preventDefault();
    const { submitter } = event;
    const done = await Promise.all(this.#files.map((file) => file.done));
    if (done.every(Boolean) && !this.#end?.signal.aborted) this.#form.requestSubmit(submitter);
  }

  /** The server reads times without a zone as UTC. @param {FormData} data */
  #send(data) {
    for (const { name, value } of this.#times) data.set(name, utcText(value));
  }

  /** A machine that is on no network may reach a server of its own. */
  async #check() {
    clearTimeout(this.#retry);
    const isOff = !navigator.onLine && !(await answers());
    if (this.#end?.signal.aborted) return;
    for (const button of this.#form.querySelectorAll("button")) {
      if (button.type !== "submit") continue;
      button.disabled = isOff;
      button.title = isOff ? WORDS.form.offline : "";
    }
    const note = /** @type {HTMLElement} */ (this.querySelector("[data-part=offline]"));
    note.textContent = isOff ? WORDS.form.offline : "";
    if (isOff) this.#retry = setTimeout(() => void this.#check(), RETRY_MS);
  }
}

async function answers() {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await fetch(location.href, { method: "HEAD", cache: "no-store", credentials: CREDENTIALS, signal });
    return true;
  } catch {
    return false;
  }
}
