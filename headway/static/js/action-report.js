/** What a card says of the last action: what went wrong, or what was done. */

export class ActionReport {
  #message;
  #note;
  /** @type {string | undefined} what the card was when it began to show this */
  #saidIn;

  /**
   * @param {HTMLElement} message says what went wrong
   * @param {HTMLElement} note says what was done
   */
  constructor(message, note) {
    this.#message = message;
    this.#note = note;
  }

  /** @param {string} sentence what went wrong; empty: nothing */
  say(sentence) {
    this.#message.textContent = sentence;
    this.#note.textContent = "";
    this.#saidIn = undefined;
  }

  /** @param {(Node | string)[]} nodes what was done */
  note(...nodes) {
    this.#note.replaceChildren(...nodes);
  }

  /**
   * It stays while the card is what it was when it came.
   *
   * @param {string} phase
   */
  keepWhile(phase) {
    this.#saidIn ??= phase;
    if (this.#saidIn !== phase) this.say("");
  }
}
