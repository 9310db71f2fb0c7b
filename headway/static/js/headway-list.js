/** `<headway-list src=".../tasks" token="...">`: the visitor's newest tasks, live, in any page. */

import { PARTS } from "./card-parts.js";
import { LiveElement } from "./live-element.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

/** The events of its tasks bubble through it. */
export class HeadwayList extends LiveElement {
  static kind = /** @type {const} */ ("list");

  /** @type {Set<string>} ids of the tasks that it shows */
  #known = new Set();
  #list = document.createElement("ul");
  #empty = document.createElement("p");

  get isFilled() {
    return this.#known.size > 0;
  }

  /** @param {HTMLElement} content @param {TaskWatcher} watcher */
  begin(content, watcher) {
    this.#known.clear();
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
    const { task_id, created_at } = snapshot;
    this.announcer?.receive(snapshot, connection.labelsOf(snapshot.name));
    if (this.#known.has(task_id)) return; // its element watches it
    const item = document.createElement("li");
    item.dataset.created = created_at;
    item.part.add("item");
    item.append(this.#element(server.at(`/status/${encodeURIComponent(task_id)}`)));
    const items = /** @type {HTMLElement[]} */ ([...this.#list.children]); // newest first
    const older = items.find(({ dataset }) => (dataset.created ?? "") < created_at);
    this.#list.insertBefore(item, older ?? null);
    this.#known.add(task_id);
    this.#empty.hidden = true;
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
