/** `<headway-list src=".../tasks" token="...">`: the visitor's newest tasks, live, in any page. */

import { PARTS } from "./card-parts.js";
import { LiveElement } from "./live-element.js";
import { ENDED, arrange, compare, rank } from "./order.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

/** The events of its tasks bubble through it. */
export class HeadwayList extends LiveElement {
  static kind = /** @type {const} */ ("list");

  /** @type {Map<string, {item: HTMLElement, snapshot: Snapshot}>} by id, the tasks that it shows */
  #known = new Map();
  #seen = ""; // until when failures have been seen: when this was opened
  #list = document.createElement("ul");
  #empty = document.createElement("p");

  get isFilled() {
    return this.#known.size > 0;
  }

  /** @param {HTMLElement} content @param {TaskWatcher} watcher */
  begin(content, watcher) {
    this.#known.clear();
    this.#seen = new Date(watcher.connection.now()).toISOString();
    this.#list = document.createElement("ul");
    this.#list.part.add("list");
    this.#list.setAttribute("role", "list"); // Safari takes it away from lists without bullets
    this.#empty = document.createElement("p");
    this.#empty.part.add("empty");
    this.#empty.textContent = "Loading…";
    content.append(this.#list, this.#empty);
    return watcher.watchMine(
      (snapshot, taskId) => (snapshot ? this.#take(snapshot, watcher) : this.announcer?.remove(taskId)),
      () => (this.#empty.textContent = "No tasks yet."),
    );
  }

  /** @param {string} sentence */
  explain(sentence) {
    this.#empty.textContent = `The tasks cannot be loaded: ${sentence}`;
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #take(snapshot, { server, connection }) {
    const { task_id, phase } = snapshot;
    const known = this.#known.get(task_id);
    this.announcer?.receive(snapshot, connection.labelsOf(snapshot.name));
    if (known && snapshot.version < known.snapshot.version) return;
    const item = known?.item ?? this.#add(server.at(`/status/${encodeURIComponent(task_id)}`));
    this.#known.set(task_id, { item, snapshot }); // what is in it, its element watches
    if (known?.snapshot.phase !== phase) this.#place(item, snapshot);
  }

  /** @param {string} src */
  #add(src) {
    const item = document.createElement("li");
    item.part.add("item");
    item.append(this.#element(src));
    this.#list.append(item);
    this.#empty.hidden = true;
    return item;
  }

  /** @param {HTMLElement} item @param {Snapshot} snapshot */
  #place(item, snapshot) {
    const isRow = rank(snapshot, this.#seen) === ENDED;
    item.querySelector("headway-task")?.toggleAttribute("row", isRow);
    const shown = [...this.#known.values()];
    shown.sort((one, other) => compare(one.snapshot, other.snapshot, this.#seen));
    arrange(this.#list, shown.map((one) => one.item), new Set([item]));
  }

  /** @param {string} src */
  #element(src) {
    const element = document.createElement("headway-task");
    element.setAttribute("src", src);
    for (const name of ["token", "actions"]) {
      const value = this.getAttribute(name);
      if (value !== null) element.setAttribute(name, value);
    }
    element.setAttribute("exportparts", PARTS.join(", "));
    return element;
  }
}
