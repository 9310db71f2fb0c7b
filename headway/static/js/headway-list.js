/** `<headway-list src=".../tasks" token="..." tab>`: the visitor's tasks, live, in any page. */

import { PARTS } from "./card-parts.js";
import WORDS from "./card-words.js";
import { Choice } from "./choice.js";
import { fill } from "./format.js";
import { ListQuery } from "./list-filters.js";
import { ListTools } from "./list-tools.js";
import { LiveElement } from "./live-element.js";
import { Notifier } from "./notifier.js";
import { ENDED, arrange, compare, rank } from "./order.js";
import { pushBox } from "./push-switch.js";
import { read } from "./reading.js";
import { asShown, normalize } from "./snapshot.js";
import { TabTitle } from "./tab-title.js";
import { TaskCounts } from "./task-counts.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

const REFRESH_MS = 500; // after which counts that nobody can move on are read again

/** The events of its tasks bubble through it. */
export class HeadwayList extends LiveElement {
  static kind = /** @type {const} */ ("list");

  /** @type {Map<string, {item: HTMLElement, snapshot: Snapshot, shown: Snapshot}>} by id, the tasks that it shows */
  #known = new Map();
  #seen = ""; // until when failures have been seen: when this was opened
  #list = document.createElement("ul");
  #empty = document.createElement("p");
  /** @type {Choice | undefined} */
  #choice;
  #query = new ListQuery();
  #counts = new TaskCounts();
  /** @type {(TabTitle | Notifier)[]} what tells of its tasks while the page is out of view */
  #tellers = [];
  /** @type {ListTools | undefined} */
  #tools;
  /** @type {string | undefined} where older tasks begin: "" on the last page; not known before one was read */
  #next;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #refresh;

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
    this.#empty.textContent = WORDS.list.loading;
    this.#query = new ListQuery();
    this.#counts = new TaskCounts();
    this.#next = undefined;
    const tools = (this.#tools = new ListTools(
      (query) => void this.#show(query, watcher),
      () => void this.#showOlder(watcher),
    ));
    content.append(tools.bar, this.#list, this.#empty, tools.older);
    if (this.hasAttribute("tab")) {
      this.#tellers = [
        new TabTitle(document),
        new Notifier((taskId) => watcher.server.link(`/tasks/${encodeURIComponent(taskId)}`)),
      ];
      content.append(Notifier.box(), pushBox(watcher.server));
    }
    if (this.hasAttribute("actions")) {
      const bar = document.createElement("form");
      bar.className = "choice";
      bar.part.add("choice");
      bar.ariaLabel = WORDS.list.chosen;
      this.#list.before(bar);
      this.#choice = new Choice(this.#list, bar, watcher);
    }
    const stop = watcher.watchMine(
      (snapshot, taskId, isForgotten) => {
        if (snapshot) this.#receive(snapshot, watcher);
        else this.#lose(taskId, isForgotten);
      },
      (counts) => {
        clearTimeout(this.#refresh);
        this.#counts.read(counts, watcher.connection.now());
        if (this.#query.isWhole) this.#empty.textContent = WORDS.list.none;
        this.#showTools();
      },
    );
    return () => {
      clearTimeout(this.#refresh);
      for (const teller of this.#tellers.splice(0)) teller.stop();
      stop();
    };
  }

  /** Dim what may be true no longer. @param {TaskWatcher} watcher */
  showConnection(watcher) {
    super.showConnection(watcher);
    this.#list.classList.toggle("dimmed", watcher.connection.state === "offline");
  }

  // Other lists than that of the newest: read page by page, and kept up to date by what is pushed

  /** @param {ListQuery} query @param {TaskWatcher} watcher */
  async #show(query, watcher) {
    this.#query = query;
    this.#next = undefined;
    for (const [id, { item, snapshot }] of this.#known) {
      if (!query.matches(snapshot)) this.#remove(id, item);
    }
    this.#empty.textContent = WORDS.list.loading;
    this.#showTools();
    await this.#readPage(watcher);
  }

  /** What the page has already may be the whole of the newest one. @param {TaskWatcher} watcher */
  async #showOlder(watcher) {
    const { size } = this.#known;
    do await this.#readPage(watcher);
    while (this.#next && this.#known.size === size);
  }

  /** @param {TaskWatcher} watcher */
  async #readPage(watcher) {
    const query = this.#query;
    try {
      const path = query.path(this.#next ?? "");
      const answer = await read(watcher.server, path, (...asked) => fetch(...asked));
      const { tasks, next, counts } = answer;
      if (query !== this.#query) return;
      this.#next = next ?? "";
      this.#counts.read(counts, watcher.connection.now());
      for (const task of tasks) this.#take(normalize(task), watcher);
      this.#empty.textContent = query.isWhole ? WORDS.list.none : WORDS.list.no_match;
    } catch (error) {
      if (query !== this.#query) return;
      this.#next = "";
      this.explain(/** @type {Error} */ (error).message);
    }
    this.#showTools();
  }

  #showTools() {
    this.#empty.hidden = this.#known.size > 0;
    if (!this.#tools) return;
    this.#tools.bar.hidden = this.#query.isWhole && !this.#counts.of([]);
    this.#tools.show(this.#counts);
    const isUnread = this.#next === undefined;
    const hasOlder = isUnread ? this.#counts.of([]) > this.#known.size : this.#next !== "";
    this.#tools.older.hidden = !hasOlder || (this.#next === undefined && !this.#query.isWhole);
  }

  /** @param {string} sentence */
  explain(sentence) {
    this.#empty.textContent = fill(WORDS.list.fault, { reason: sentence });
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #receive(snapshot, watcher) {
    const { task_id } = snapshot;
    const labels = watcher.connection.labelsOf(snapshot.name);
    const shown = asShown(snapshot);
    this.announcer?.receive(shown, labels);
    for (const teller of this.#tellers) teller.receive(shown, labels);
    if (this.#counts.receive(snapshot)) {
      clearTimeout(this.#refresh);
      this.#refresh = setTimeout(() => watcher.refreshList(), REFRESH_MS);
    }
    const known = this.#known.get(task_id);
    const { phases } = this.#query;
    if (known?.snapshot.phase === snapshot.phase) return void this.#take(snapshot, watcher);
    if (known && phases.length && !phases.includes(snapshot.phase)) {
      this.#remove(task_id, known.item);
    }
    else if (known || this.#query.matches(snapshot)) this.#take(snapshot, watcher);
    this.#showTools();
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #take(snapshot, { server }) {
    const { task_id } = snapshot;
    this.#counts.note(task_id, snapshot.phase);
    const known = this.#known.get(task_id);
    if (known && snapshot.version < known.snapshot.version) return;
    const shown = asShown(snapshot);
    const { phase } = shown;
    const item = known?.item ?? this.#add(server.at(`/status/${encodeURIComponent(task_id)}`));
    this.#known.set(task_id, { item, snapshot, shown }); // what is in it, its element watches
    if (known?.shown.phase === phase) return;
    Object.assign(item.dataset, { taskId: task_id, phase, title: snapshot.title });
    this.#place(item, shown);
    this.#choice?.show();
  }

  /** @param {string} taskId @param {boolean} isForgotten */
  #lose(taskId, isForgotten) {
    this.announcer?.remove(taskId, isForgotten);
    for (const teller of this.#tellers) teller.remove(taskId);
    this.#counts.remove(taskId);
    const known = this.#known.get(taskId);
    if (!known) return;
    known.item.dataset.phase = "missing";
    if (isForgotten) this.#remove(taskId, known.item);
    this.#choice?.show();
    this.#showTools();
  }

  /** @param {string} taskId @param {HTMLElement} item */
  #remove(taskId, item) {
    this.#known.delete(taskId);
    if (this.#choice) this.#choice.remove(item);
    else item.remove();
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
    shown.sort((one, other) => compare(one.shown, other.shown, this.#seen));
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
