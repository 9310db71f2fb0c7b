/** Draws one task into the parts of its card, which the server may have rendered: what has changed of them. */

import { drawFiles } from "./card-files.js";
import { read } from "./card-reading.js";
import WORDS from "./card-words.js";
import { Continuation } from "./continuation.js";
import { details, showAll } from "./details.js";
import { make, set, write } from "./drawn-elements.js";
import { fill, formatTime, formatWhen } from "./format.js";
import { asShown, isFinal, percent } from "./snapshot.js";
import { StreamBox } from "./stream-box.js";
import { countRows } from "./words.js";

/**
 * @typedef {import("./card.js").CardOptions} CardOptions
 * @typedef {import("./card-parts.js").Part} Part
 * @typedef {import("./card-parts.js").Parts} Parts
 * @typedef {import("./pace.js").Pace} Pace
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

export class CardDrawing {
  #host;
  #parts;
  #watcher;
  #options;
  #streams;
  #continuation;
  #named = ""; // the task and its title, as drawn

  /**
   * @param {HTMLElement} host gets the phase as a data attribute
   * @param {Parts} parts
   * @param {TaskWatcher} watcher
   * @param {CardOptions} options
   */
  constructor(host, parts, watcher, options) {
    this.#host = host;
    this.#parts = parts;
    this.#watcher = watcher;
    this.#options = options;
    this.#streams = new StreamBox(parts.streams, watcher);
    this.#continuation = new Continuation(watcher.server);
  }

  /**
   * Draw a task that is known.
   *
   * @param {Snapshot} snapshot
   * @param {LogLine | null} line the newest of its log
   * @param {Pace} pace
   */
  show(snapshot, line, pace) {
    const { connection } = this.#watcher;
    const now = connection.state === "offline" ? connection.heardAt : connection.now(); // then times stop
    const shown = asShown(snapshot);
    const rate = pace.rate(now);
    const left = pace.left(shown, now);
    const { workers = null, queues = null, paused = null } = connection.server ?? {};
    const labels = connection.labelsOf(snapshot.name);
    const { hints } = this.#options;
    const reading = read(snapshot, { now, labels, hints, workers, queues, paused, rate, left });
    set(this.#host, "data-phase", shown.phase);
    this.#drawTitle(snapshot);
    for (const part of /** @type {const} */ (["sign", "figure", "headline", "text", "numbers"])) {
      this.#write(part, reading[part]);
    }
    this.#write("line", isFinal(snapshot) ? "" : (line?.text ?? ""));
    this.#drawEnd(shown, now);
    this.#drawBar(shown);
    this.#drawLink(snapshot);
    drawFiles(this.#part("files"), snapshot, (path) => this.#watcher.server.at(path));
    this.#drawDetails(snapshot);
    this.#streams.show(snapshot);
  }

  /** Draw no more of what comes by itself. */
  stop() {
    this.#streams.stop();
  }

  /**
   * Draw why there is no task to be shown.
   *
   * @param {string} phase for the style sheet
   * @param {string} headline
   * @param {string} [text]
   */
  showNone(phase, headline, text = "") {
    set(this.#host, "data-phase", phase);
    this.#streams.stop();
    this.#write("sign", "–");
    for (const part of /** @type {const} */ (["figure", "numbers", "line", "when", "files"])) this.#write(part, "");
    this.#write("headline", headline);
    this.#write("text", text);
    this.#part("bar").setAttribute("value", "0");
    for (const part of /** @type {const} */ (["more", "details", "link"])) this.#part(part).hidden = true;
  }

  /** The title leads to the task's own page. It hardly ever changes. @param {Snapshot} snapshot */
  #drawTitle({ title, task_id }) {
    const name = `${task_id} ${title}`;
    if (this.#named === name) return;
    this.#named = name;
    set(this.#part("bar"), "aria-label", title);
    set(this.#part("more"), "aria-label", fill(WORDS.card.more_of, { title }));
    const part = this.#part("title");
    const link = part.querySelector("a") ?? make("a");
    if (!link.parentElement) part.replaceChildren(link);
    set(link, "href", this.#watcher.server.pageOf(task_id));
    write(link, title);
  }

  /** @param {Snapshot} snapshot @param {number} now */
  #drawEnd({ finished_at }, now) {
    this.#write("when", formatWhen(finished_at, now));
    if (!finished_at) return;
    set(this.#part("when"), "datetime", finished_at);
    set(this.#part("when"), "title", formatTime(finished_at, now));
  }

  /** @param {Snapshot} snapshot */
  #drawBar(snapshot) {
    const bar = this.#part("bar");
    const part = percent(snapshot);
    if (part === null && !isFinal(snapshot)) bar.removeAttribute("value");
    else set(bar, "value", String(part ?? 0));
  }

  /** @param {Snapshot} snapshot */
  #drawLink(snapshot) {
    const link = this.#part("link");
    const next = this.#continuation.linkOf(snapshot, () => this.#drawLink(snapshot));
    const shown = this.#resultLink(snapshot) ?? next ?? this.#options.linkOf?.(snapshot);
    link.hidden = !shown;
    if (!shown) return;
    set(link, "href", shown.href);
    this.#write("link", shown.text);
  }

  /** @param {Snapshot} snapshot */
  #resultLink(snapshot) {
    const page = this.#watcher.server.pageOf(snapshot.task_id);
    if (countRows(snapshot)) return { href: `${page}#outcome`, text: WORDS.card.show_table };
    const text = showAll(snapshot);
    return text ? { href: `${page}/result`, text } : null;
  }

  /** @param {Snapshot} snapshot */
  #drawDetails(snapshot) {
    const more = this.#part("more");
    more.hidden = false;
    const list = this.#part("details");
    list.hidden = more.getAttribute("aria-expanded") !== "true";
    if (!list.hidden) fillList(list, details(snapshot, this.#watcher.connection.labelsOf(snapshot.name)));
  }

  /** @param {Part} name @param {string} text */
  #write(name, text) {
    write(this.#part(name), text);
  }

  /** @param {Part} name */
  #part(name) {
    return this.#parts[name];
  }
}

/** @param {HTMLElement} list @param {[string, string][]} rows */
function fillList(list, rows) {
  if (list.dataset.filled === JSON.stringify(rows)) return; // a redraw would undo the reader's selection of text
  list.dataset.filled = JSON.stringify(rows);
  const cells = rows.flatMap((row) =>
    row.map((text, column) => make(column ? "dd" : "dt", {}, text)),
  );
  list.replaceChildren(...cells);
}
