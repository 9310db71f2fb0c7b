/** Keeps the parts of a task, as its page lists them, up to date: each that is shown is watched. */

import { read } from "./card-reading.js";
import { asShown } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

export class PageParts {
  #section;
  #watcher;
  /** @type {Map<string, () => void>} by id, what ends the watch of a part */
  #watches = new Map();

  /**
   * @param {() => Element | null} section holds the parts; the server makes it again now and then
   * @param {TaskWatcher} watcher
   */
  constructor(section, watcher) {
    this.#section = section;
    this.#watcher = watcher;
    this.adopt();
  }

  /** Watch the parts that are shown by now, and no others. */
  adopt() {
    const shown = new Set(this.#items.map(({ dataset }) => dataset.partId ?? ""));
    for (const [id, stop] of this.#watches) {
      if (shown.has(id)) continue;
      stop();
      this.#watches.delete(id);
    }
    for (const id of shown) {
      if (this.#watches.has(id)) continue;
      this.#watches.set(id, () => {}); // news may come at once
      this.#watches.set(id, this.#watcher.watchTask(id, (snapshot) => snapshot && this.#draw(snapshot)));
    }
  }

  /** Watch no more. */
  stop() {
    for (const stop of this.#watches.values()) stop();
    this.#watches.clear();
  }

  get #items() {
    return /** @type {HTMLElement[]} */ ([...(this.#section()?.querySelectorAll("[data-part-id]") ?? [])]);
  }

  /** @param {Snapshot} snapshot */
  #draw(snapshot) {
    const line = this.#items.find(({ dataset }) => dataset.partId === snapshot.task_id)?.querySelector("p");
    if (!line) return;
    const { connection } = this.#watcher;
    const labels = connection.labelsOf(snapshot.name);
    const { sign, figure, headline, text } = read(snapshot, { now: connection.now(), labels });
    const [mark, , why] = line.children;
    line.dataset.phase = asShown(snapshot).phase;
    mark.textContent = sign;
    why.children[0].textContent = headline || figure;
    why.children[1].textContent = text;
  }
}
