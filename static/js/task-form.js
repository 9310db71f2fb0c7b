/** A form that starts a task without leaving the page. */

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Handlers
 * @property {(title: string) => HTMLLIElement} sending
 * @property {(item: HTMLLIElement, snapshot: Snapshot) => void} accepted
 * @property {(item: HTMLLIElement) => void} refused
 */

const TIMEOUT_MS = 10_000;
const UNREACHED = "The server does not answer. Nothing you typed is lost: try again in a moment.";

export class TaskForm {
  #form;
  #handlers;
  #key;
  #message;
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
      this.#handlers.accepted(item, await this.#post(body));
      this.#renewKey();
    } catch (error) {
      this.#handlers.refused(item);
      this.#complain(error instanceof Refused ? error.message : UNREACHED);
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

  /**
   * @param {URLSearchParams} body
   * @returns {Promise<Snapshot>}
   */
  async #post(body) {
    const headers = { Accept: "application/json", "Idempotency-Key": this.#key.value };
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    // Not `form.action`: a field of that name would hide it.
    const address = this.#form.getAttribute("action") ?? "";
    const response = await fetch(address, { method: "POST", headers, body, signal });
    const answer = await response.json();
    if (response.ok) return answer;
    const { message, fields = {} } = answer.error;
    throw new Refused(Object.values(fields).join(" ") || message);
  }

  #renewKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing on plain http
    this.#key.value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#sent = "";
  }

  #title() {
    const email = this.#form.elements.namedItem("email");
    const typed = email instanceof HTMLInputElement ? email.value.trim() : "";
    return (this.#form.dataset.title ?? "").replace("{email}", () => typed);
  }

  /** @param {string} message empty: none */
  #complain(message) {
    this.#message.textContent = message;
    const email = this.#form.elements.namedItem("email");
    if (!(email instanceof HTMLInputElement)) return;
    if (message) email.setAttribute("aria-invalid", "true");
    else email.removeAttribute("aria-invalid");
  }

  /** @param {boolean} busy */
  #busy(busy) {
    for (const button of this.#form.querySelectorAll("button")) button.disabled = busy;
  }
}

/** The server said no; the message says why. */
class Refused extends Error {}
