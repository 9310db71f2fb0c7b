/**
 * `<task-progress task-id="...">`: draws one task of Headway's own page, live. Whatever the server rendered inside is
 * kept and filled; an empty element makes its own parts.
 */

import WORDS from "./card-words.js";
import { Card } from "./card.js";
import { sharedWatcher } from "./page.js";

export class TaskProgress extends HTMLElement {
  static observedAttributes = ["task-id"];

  /** What the page adds to each card. @type {Partial<import("./card.js").CardOptions>} */
  static options = {};

  static define(tag = "task-progress") {
    if (!customElements.get(tag)) customElements.define(tag, TaskProgress);
  }

  /** @type {Card | undefined} */
  #card;
  #stop = () => {};
  #isShown = false;

  connectedCallback() {
    if (this.#isShown) return; // it was moved
    this.#isShown = true;
    const headline = this.hasAttribute("task-id") ? WORDS.list.loading : WORDS.card.sending;
    const options = { hasActions: true, headline, ...TaskProgress.options };
    this.#card ??= new Card(this, this, sharedWatcher(), options);
    this.#watch(this.#card);
  }

  disconnectedCallback() {
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#isShown = false;
      this.#stop();
      this.#card?.stop();
    });
  }

  attributeChangedCallback() {
    if (this.isConnected && this.#card) this.#watch(this.#card);
  }

  /** @param {Card} card */
  #watch(card) {
    this.#stop();
    const taskId = this.getAttribute("task-id");
    this.#stop = taskId ? sharedWatcher().watchTask(taskId, (...news) => card.take(...news)) : () => {};
    card.drawNow();
  }
}
