/** `<headway-list src=".../tasks" token="...">`: the visitor's newest tasks, live, in any page. */

import { PARTS } from "./card-parts.js";
import { Choice } from "./choice.js";
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
  /** @type {Choice | undefined} */
  #choice;

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
    if (this.hasAttribute("actions")) {
      const bar = document.createElement("form");
      bar.className = "choice";
      bar.part.add("choice");
      bar.ariaLabel = "Chosen tasks";
      this.#list.before(bar);
      this.#choice = new Choice(this.#list, bar, watcher);
    }
    return watcher.watchMine(
      (snapshot, taskId, isForgotten) => {
        if (snapshot) this.#take(snapshot, watcher);
        else this.#lose(taskId, isForgotten);
      },
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
    if (known?.snapshot.phase === phase) return;
    Object.assign(item.dataset, { taskId: task_id, phase, title: snapshot.title });
    this.#place(item, snapshot);
    this.#choice?.show();
  }

  /** @param {string} taskId @param {boolean} isForgotten */
  #lose(taskId, isForgotten) {
    this.announcer?.remove(taskId, isForgotten);
    const known = this.#known.get(taskId);
    if (!known) return;
    known.item.dataset.phase = "missing";
    if (!isForgotten) return this.#choice?.show();
    this.#known.delete(taskId);
    if (this.#choice) this.#choice.remove(known.item);
    else known.item.remove();
    this.#empty.hidden = this.#known.size > 0;
    this.#empty.textContent = "No tasks yet.";
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
