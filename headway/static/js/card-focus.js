/** Where the focus is within a card, and where it goes when what had it goes. */

export class CardFocus {
  #bar;
  #fallback;

  /**
   * @param {HTMLElement} bar the card's buttons
   * @param {HTMLElement} fallback the harmless one: a second Enter must not do another thing
   */
  constructor(bar, fallback) {
    this.#bar = bar;
    this.#fallback = fallback;
  }

  /** The element that has the focus, also within a shadow tree. */
  get held() {
    return /** @type {Document | ShadowRoot} */ (this.#bar.getRootNode()).activeElement;
  }

  /** Put it where it was, unless nothing was there. @param {Element | null} held */
  restore(held) {
    if (document.activeElement === document.body && held instanceof HTMLElement) this.put(held);
  }

  /** Put it elsewhere if what had it is gone. @param {Element | null} held */
  leave(held) {
    const isGone = held instanceof HTMLElement && (!held.isConnected || (held.hidden && this.#bar.contains(held)));
    if (isGone) this.#rest();
  }

  /** @param {HTMLElement} wanted */
  put(wanted) {
    if (wanted.checkVisibility()) wanted.focus();
    else this.#rest();
  }

  /** On a task's own page there is no button for more: then the next Tab leads to the first that fits. */
  #rest() {
    if (this.#fallback.checkVisibility()) return this.#fallback.focus();
    this.#bar.tabIndex = -1;
    this.#bar.focus();
  }

  /** Note whether a request is on its way: a list that takes the card away then knows where the focus was. @param {boolean} busy */
  note(busy) {
    const root = this.#bar.getRootNode();
    const host = root instanceof ShadowRoot ? root.host : this.#bar.closest("[task-id]");
    host?.toggleAttribute("data-busy", busy);
  }
}
