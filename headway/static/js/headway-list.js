/** `<headway-list src=".../tasks" token="..." tab>`: the visitor's tasks, live, in any page. */

import WORDS from "./card-words.js";
import { Choice } from "./choice.js";
import { make } from "./drawn-elements.js";
import { drawSoon } from "./drawing.js";
import { fill } from "./format.js";
import { ADDRESS } from "./list-filters.js";
import { ListItems } from "./list-items.js";
import { ListPages } from "./list-pages.js";
import { ListTools } from "./list-tools.js";
import { LiveElement } from "./live-element.js";
import { Notifier } from "./notifier.js";
import { offerPush } from "./push-switch.js";
import { asShown, normalize } from "./snapshot.js";
import { TabTitle } from "./tab-title.js";
import { TaskCounts } from "./task-counts.js";
import { visit } from "./token-links.js";

/**
 * @typedef {import("./list-filters.js").ListQuery} ListQuery
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

/** The events of its tasks bubble through it. */
export class HeadwayList extends LiveElement {
  static kind = /** @type {const} */ ("list");

  #items = new ListItems(this, "");
  #empty = make("p");
  #isFaulty = false; // whether that says why the tasks cannot be loaded
  #counts = new TaskCounts();
  /** @type {(TabTitle | Notifier)[]} what tells of its tasks while the page is out of view */
  #observers = [];
  /** @type {ListPages | undefined} */
  #pages;
  /** @type {ListTools | undefined} */
  tools;
  #drawTools = () => this.#showTools();

  get isFilled() {
    return this.#items.size > 0;
  }

  /** @param {HTMLElement} content @param {TaskWatcher} watcher */
  begin(content, watcher) {
    const { list } = (this.#items = new ListItems(this, new Date(watcher.connection.now()).toISOString()));
    this.#empty = make("p", { part: "empty" }, WORDS.list.loading);
    this.#counts = new TaskCounts();
    const pages = (this.#pages = new ListPages(watcher.server));
    const tools = (this.tools = new ListTools(
      (query) => void this.#show(query, watcher),
      () => void this.#showOlder(watcher),
    ));
    content.append(tools.bar, list, this.#empty, tools.older);
    if (this.hasAttribute("tab")) {
      this.#observers = observersOf(watcher.server);
      content.append(switchOf(Notifier.offer, watcher), switchOf(offerPush, watcher));
    }
    if (this.hasAttribute("actions")) {
      const bar = make("form", { className: "choice", part: "choice", ariaLabel: WORDS.list.chosen });
      list.before(bar);
      this.#items.choice = new Choice(list, bar, watcher);
    }
    const stop = watcher.watchMine(
      (snapshot, taskId, isForgotten) => {
        if (snapshot) this.#receive(snapshot, watcher);
        else this.#lose(taskId, isForgotten, watcher);
      },
      (counts, newest) => {
        this.#counts.read(counts, watcher.connection.now());
        for (const snapshot of newest) if (pages.query.matches(snapshot)) this.#take(snapshot, watcher);
        if (pages.query.isWhole) this.#say(WORDS.list.none);
        else if (this.#isFaulty) void this.#show(pages.query, watcher);
        this.#showTools();
      },
    );
    tools.ask(ADDRESS.read());
    return () => {
      for (const observer of this.#observers.splice(0)) observer.stop();
      stop();
    };
  }

  /** Dim what may be true no longer. @param {TaskWatcher} watcher */
  showConnection(watcher) {
    super.showConnection(watcher);
    this.#items.list.classList.toggle("dimmed", watcher.connection.state === "offline");
  }

  /** Another list is read page by page, and kept up to date by pushes. @param {ListQuery} query @param {TaskWatcher} watcher */
  async #show(query, watcher) {
    this.#pages?.show(query);
    this.#items.keep((snapshot) => query.matches(snapshot));
    this.#say(WORDS.list.loading);
    this.#showTools();
    await this.#readPage(watcher);
  }

  /** What the page has already may be the whole of the newest one. @param {TaskWatcher} watcher */
  async #showOlder(watcher) {
    const { size } = this.#items;
    do await this.#readPage(watcher);
    while (!this.#isFaulty && this.#pages?.hasOlder(size, size) && this.#items.size === size);
  }

  /** @param {TaskWatcher} watcher */
  async #readPage(watcher) {
    const pages = /** @type {ListPages} */ (this.#pages);
    try {
      const { moves } = this.#counts;
      const answer = await pages.read();
      if (!answer) return;
      this.#counts.read(answer.counts, watcher.connection.now());
      if (this.#counts.moves > moves) watcher.refreshListSoon(); // what was answered may be from before
      const tasks = answer.tasks.map((/** @type {Snapshot} */ one) => watcher.newest(normalize(one))); // news may be faster
      for (const task of tasks) if (pages.query.allows(task.phase)) this.#take(task, watcher);
      this.#say(pages.query.isWhole ? WORDS.list.none : WORDS.list.no_match);
    } catch (error) {
      this.explain(/** @type {Error} */ (error).message);
    }
    this.#showTools();
  }

  #showTools() {
    this.#empty.hidden = this.isFilled && !this.#isFaulty;
    if (!this.tools || !this.#pages) return;
    const all = this.#counts.of([]);
    this.tools.bar.hidden = this.#pages.query.isWhole && !all;
    this.tools.show(this.#counts);
    this.tools.older.hidden = !this.#pages.hasOlder(all, this.#items.size);
  }

  /** @param {string} sentence */
  explain(sentence) {
    this.#say(fill(WORDS.list.fault, { reason: sentence }), true);
  }

  /** @param {string} words */
  #say(words, isFaulty = false) {
    this.#empty.textContent = words;
    this.#isFaulty = isFaulty;
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #receive(snapshot, watcher) {
    const { task_id } = snapshot;
    const labels = watcher.connection.labelsOf(snapshot.name);
    const shown = asShown(snapshot);
    this.announcer?.receive(shown, labels);
    for (const observer of this.#observers) observer.receive(shown, labels);
    if (this.#counts.receive(snapshot)) watcher.refreshListSoon();
    const known = this.#items.get(task_id);
    const { query } = /** @type {ListPages} */ (this.#pages);
    if (known?.snapshot.phase === snapshot.phase) return void this.#take(snapshot, watcher);
    if (known && !query.allows(snapshot.phase)) this.#items.remove(task_id);
    else if (known || query.matches(snapshot)) this.#take(snapshot, watcher);
    drawSoon(this.#drawTools);
  }

  /** @param {Snapshot} snapshot @param {TaskWatcher} watcher */
  #take(snapshot, { server }) {
    this.#counts.note(snapshot.task_id, snapshot.phase);
    if (this.#items.take(snapshot, server)) this.#empty.hidden = true;
  }

  /** @param {string} taskId @param {boolean} isForgotten @param {TaskWatcher} watcher */
  #lose(taskId, isForgotten, { server }) {
    this.announcer?.remove(taskId, isForgotten, server.token);
    for (const observer of this.#observers) observer.remove(taskId);
    this.#counts.remove(taskId);
    this.#items.lose(taskId, isForgotten);
    drawSoon(this.#drawTools);
  }
}

/** @param {import("./server.js").Server} server */
function observersOf(server) {
  const notifier = new Notifier(
    (taskId) => server.pageOf(taskId),
    (address) => visit(server, address.slice(server.base.length), "_blank"),
  );
  return [new TabTitle(document), notifier];
}

/**
 * A check box that turns something on and off.
 *
 * @param {(box: HTMLInputElement, label: HTMLElement, server: import("./server.js").Server) => void} offer
 * @param {TaskWatcher} watcher
 */
function switchOf(offer, { server }) {
  const box = make("input", { type: "checkbox" });
  const label = make("label", { part: "notify", hidden: true }, box);
  offer(box, label, server);
  return label;
}
