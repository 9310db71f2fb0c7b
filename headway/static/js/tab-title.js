/** The title and icon of a list's tab: how its running tasks go, and how many failed or asked while nobody looked. */

import { Favicon } from "./favicon.js";
import { isFinal, percent } from "./snapshot.js";
import { newsOf } from "./notifier.js";
import { headline, tabWords } from "./words.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

export class TabTitle {
  /** @type {Map<string, Snapshot>} */
  #open = new Map();
  /** @type {Map<string, Snapshot>} those that failed while the page was out of view */
  #failed = new Map();
  /** @type {Set<string>} those that asked, or reminded of it, while the page was out of view, and still wait */
  #asked = new Set();
  #page;
  #own;
  #icon;
  #shown = ""; // the task that title and icon are about

  /** @param {Document} page */
  constructor(page) {
    this.#page = page;
    this.#own = page.title;
    this.#icon = new Favicon(page);
    page.addEventListener("visibilitychange", this.#look);
  }

  /** @param {Snapshot} snapshot */
  receive(snapshot) {
    const { task_id, phase } = snapshot;
    // What had failed before the page was opened is no news.
    const before = this.#open.get(task_id);
    if (phase === "failed" && this.#page.hidden && before) this.#failed.set(task_id, snapshot);
    const isNews = !before || newsOf(before) !== newsOf(snapshot);
    const isAsked = this.#page.hidden && before && isNews;
    if (phase !== "waiting") this.#asked.delete(task_id);
    else if (isAsked) this.#asked.add(task_id);
    if (isFinal(snapshot)) this.#open.delete(task_id);
    else this.#open.set(task_id, snapshot);
    if (isNews || (task_id === this.#shown && percent(before) !== percent(snapshot))) this.#show();
  }

  /** @param {string} taskId of a task that is gone */
  remove(taskId) {
    this.#open.delete(taskId);
    this.#failed.delete(taskId);
    this.#asked.delete(taskId);
    this.#show();
  }

  /** Give the page its own title and icon back. */
  stop() {
    this.#page.removeEventListener("visibilitychange", this.#look);
    this.#open.clear();
    this.#failed.clear();
    this.#asked.clear();
    this.#show();
  }

  #look = () => {
    if (this.#page.hidden) return;
    this.#failed.clear();
    this.#asked.clear();
    this.#show();
  };

  #show() {
    const running = [...this.#open.values()].filter(({ phase }) => phase === "running");
    const newest = running.reduce(later, null);
    const [failed = null] = this.#failed.values();
    this.#shown = (failed ?? newest)?.task_id ?? "";
    this.#icon.show(failed ?? newest);
    const isOne = newest && running.length === 1 && !failed && !this.#asked.size;
    const words = isOne ? headline(newest) : tabWords(running.length, this.#failed.size, this.#asked.size);
    const title = isOne ? `${newest.title} · ${this.#own}` : this.#own;
    const next = words ? `(${words}) ${title}` : title;
    if (this.#page.title !== next) this.#page.title = next;
  }
}

/** @param {Snapshot | null} one @param {Snapshot} other */
function later(one, other) {
  return one && one.created_at >= other.created_at ? one : other;
}
