/** The chip of a task's own page that says how it is kept up to date. */

import { buttonsReason, connectionReason, connectionWords } from "./connection-words.js";

/** @typedef {import("./connection.js").Connection} Connection */

const GRACE_MS = 300; // a check that is answered sooner is no loss of connection

export class ConnectionChip {
  #chip;
  #connection;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #grace;
  #undo;

  /**
   * @param {HTMLElement} chip its first child is the sign, its second the words
   * @param {Connection} connection
   */
  constructor(chip, connection) {
    this.#chip = chip;
    this.#connection = connection;
    this.#undo = [
      connection.on("change", () => this.#showSoon()),
      connection.on("server", () => this.#showSoon()),
    ];
    chip.hidden = false;
  }

  stop() {
    clearTimeout(this.#grace);
    for (const undo of this.#undo) undo();
  }

  #showSoon() {
    if (this.#connection.state === "live") this.#show();
    else this.#grace ??= setTimeout(() => this.#show(), GRACE_MS);
  }

  #show() {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    const [sign, words] = connectionWords(this.#connection);
    const why = buttonsReason(this.#connection) || connectionReason(this.#connection);
    this.#chip.dataset.state = this.#connection.state;
    this.#chip.children[0].textContent = sign;
    this.#chip.children[1].textContent = why ? `${words}. ${why}` : words;
  }
}
