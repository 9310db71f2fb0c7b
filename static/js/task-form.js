/** A form that starts a task without leaving the page. */

import { newKey, post, reason, Refused } from "headway/requests.js";

/**
 * @typedef {import("headway/snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Handlers
 * @property {(title: string) => HTMLLIElement} sending
 * @property {(item: HTMLLIElement, snapshot: Snapshot) => void} accepted
 * @property {(item: HTMLLIElement) => void} refused
 */

export class TaskForm {
  #form;
  #handlers;
  #key;
  #message;
  #isBusy = false;
  #why = ""; // none of the buttons can work now
  #sent = ""; // the last request that has not succeeded

  /**
   * @param {HTMLFormElement} form
   * @param {Handlers} handlers
   */
  constructor(form, handlers) {
    this.#form = form;
    this.#handlers = handlers;
    this.#key = /** @type {HTMLInputElement} */ (form.elements.namedItem("idempotency_key"));
    this.#message = /** @type {HTMLElement} */ (form.querySelector("[data-part=message]"));
    form.addEventListener("click", (event) => {
      if (event.detail > 1) event.preventDefault(); // a double click is one wish, however fast the first was answered
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send(event.submitter);
    });
  }

  /** @param {HTMLElement | null} submitter */
  async #send(submitter) {
    const body = this.#body(submitter);
    const item = this.#handlers.sending(this.#title());
    this.#complain("");
    this.#busy(true);
    try {
      // Not `form.action`: a field of that name would hide it.
      const address = this.#form.getAttribute("action") ?? "";
      this.#handlers.accepted(item, await post(address, { body, key: this.#key.value }));
      this.#renewKey();
    } catch (error) {
      this.#handlers.refused(item);
      this.#complain(reason(error), error instanceof Refused && "email" in error.fields);
    } finally {
      this.#busy(false);
      if (document.activeElement === document.body) submitter?.focus(); // a button that is off loses the focus
    }
  }

  /**
   * The same request again carries the same key, so that one of which only the answer was lost starts nothing twice.
   *
   * @param {HTMLElement | null} submitter
   */
  #body(submitter) {
    const data = new FormData(this.#form, submitter);
    data.delete("idempotency_key");
    const body = new URLSearchParams(/** @type {[string, string][]} */ ([...data]));
    if (this.#sent && this.#sent !== String(body)) this.#renewKey();
    this.#sent = String(body);
    return body;
  }

  #renewKey() {
    this.#key.value = newKey();
    this.#sent = "";
  }

  #title() {
    const email = this.#form.elements.namedItem("email");
    const typed = email instanceof HTMLInputElement ? email.value.trim() : "";
    return (this.#form.dataset.title ?? "").replace("{email}", () => typed);
  }

  /** @param {string} message empty: none @param {boolean} [ofAddress] whether the address is what is wrong */
  #complain(message, ofAddress = false) {
    this.#message.textContent = message;
    const email = this.#form.elements.namedItem("email");
    if (!(email instanceof HTMLInputElement)) return;
    email.removeAttribute("aria-invalid");
    if (!ofAddress) return;
    email.setAttribute("aria-invalid", "true");
    email.focus();
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#isBusy = busy;
    this.#enable();
  }

  /**
   * Have the buttons be off while none could work, and say why.
   *
   * @param {string} why empty: they work
   */
  explain(why) {
    this.#why = why;
    this.#enable();
  }

  #enable() {
    for (const button of this.#form.querySelectorAll("button")) {
      button.disabled = this.#isBusy || this.#why !== "";
      button.title = this.#why;
    }
  }
}
