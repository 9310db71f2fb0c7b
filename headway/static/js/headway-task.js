/** `<headway-task src=".../status/<task id>" token="...">`: one task, live, in any page. */

import { Card } from "./card.js";
import { LiveElement } from "./live-element.js";
import { asShown, isFinal } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

/** Fires `headway:change` with each newer snapshot as its `detail`, and `headway:end` with the last one. */
export class HeadwayTask extends LiveElement {
  static kind = /** @type {const} */ ("task");

  /** @type {Card | undefined} */
  #card;
  /** @type {Snapshot | null} */
  #snapshot = null;

  get isFilled() {
    return this.#snapshot !== null;
  }

  get hasEnded() {
    return this.#snapshot !== null && isFinal(this.#snapshot);
  }

  /** @param {HTMLElement} content @param {TaskWatcher} watcher @param {string} taskId */
  begin(content, watcher, taskId) {
    this.#snapshot = null;
    const card = (this.#card = new Card(this, content, watcher, { hasActions: this.hasAttribute("actions") }));
    const stop = watcher.watchTask(taskId, (snapshot, line, isForgotten) => {
      card.take(snapshot, line, isForgotten);
      if (snapshot) this.#tell(snapshot, watcher);
      else this.#miss(taskId, watcher, isForgotten);
    });
    card.drawNow();
    return () => {
      stop();
      card.stop();
    };
  }

  /** @param {string} sentence */
  explain(sentence) {
    this.#card?.explain(sentence);
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #tell(snapshot, watcher) {
    if (snapshot === this.#snapshot) return; // news of its log alone
    const hadEnded = this.hasEnded;
    this.#snapshot = snapshot;
    this.announcer?.receive(asShown(snapshot), watcher.connection.labelsOf(snapshot.name));
    this.#fire("headway:change", snapshot);
    if (!this.hasEnded || hadEnded) return;
    this.#fire("headway:end", snapshot);
    this.showConnection(watcher);
  }

  /** @param {string} taskId @param {TaskWatcher} watcher @param {boolean} isForgotten */
  #miss(taskId, { server }, isForgotten) {
    this.announcer?.remove(taskId, isForgotten, server.token);
    if (isForgotten) return;
    console.error(`Headway: ${server.base} has no such task, or not for this visitor.`, this);
  }

  /** @param {string} name @param {Snapshot} detail */
  #fire(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}
