/** Draws one task into a page: its parts, which the server may have rendered, and what has changed of them. */

import { drawFiles } from "./card-files.js";
import { adopt, set } from "./card-parts.js";
import { formatTime, formatWhen } from "./format.js";
import { watchView } from "./in-view.js";
import { Pace } from "./pace.js";
import { asShown, isFinal, percent } from "./snapshot.js";
import { TaskActions } from "./task-actions.js";
import { read } from "./card-reading.js";
import { details, showAll } from "./details.js";
import { drawNoMore, drawSoon } from "./drawing.js";
import { FORGOTTEN, MISSING } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./card-parts.js").Part} Part
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 *
 * @typedef {object} CardOptions
 * @property {boolean} hasActions whether a person may act on the task here
 * @property {string} [headline] until the task's own is known
 * @property {import("./card-reading.js").Hints} [hints]
 * @property {(snapshot: Snapshot) => {href: string, text: string} | null} [linkOf] a link of the
 *   page's own
 */

const TICK_MS = 250;
const OUT_OF_VIEW_MS = 1000; // between two drawings of what nobody looks at; a change of phase is drawn at once

export class Card {
  #host;
  #watcher;
  #parts;
  #actions;
  #options;
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {LogLine | null} */
  #line = null;
  #fault = "";
  #missing = ""; // why there is no snapshot, where that is known
  #pace = new Pace();
  #drawing = () => this.#draw();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;
  #isInView = true; // until it is known
  /** @type {(() => void) | undefined} */
  #unobserve;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  /** @type {(() => void) | undefined} */
  #forget;

  /**
   * @param {HTMLElement} host gets the phase and the version as data attributes
   * @param {HTMLElement} root holds the parts; an empty one gets them
   * @param {TaskWatcher} watcher
   * @param {CardOptions} options
   */
  constructor(host, root, watcher, options) {
    const { hasActions, headline = "Loading…" } = options;
    this.#options = options;
    this.#host = host;
    this.#watcher = watcher;
    this.#parts = adopt(root, { title: host.getAttribute("label") ?? "Task", headline });
    this.#parts.more.addEventListener("click", () => this.#toggleDetails());
    this.#actions = hasActions ? new TaskActions(watcher, this.#parts) : null;
  }

  /**
   * Show what is known by now.
   *
   * @param {Snapshot | null} snapshot null: the task is no longer kept, or not the caller's
   * @param {LogLine | null} line the newest of its log
   * @param {boolean} isForgotten
   */
  take(snapshot, line, isForgotten) {
    this.#snapshot = snapshot;
    this.#line = line;
    this.#missing = snapshot ? "" : isForgotten ? FORGOTTEN : MISSING;
    if (snapshot) this.#pace.observe(asShown(snapshot));
    this.#unobserve ??= watchView(this.#host, (isInView) => {
      this.#isInView = isInView;
      this.#drawSoon();
    });
    if (this.#actions) {
      this.#forget ??= this.#watcher.connection.on("change", () => this.#drawSoon());
    }
    if (!snapshot || isFinal(snapshot)) this.#stopTicking();
    else this.#ticking ??= setInterval(() => this.#drawSoon(), TICK_MS);
    this.#drawSoon();
  }

  /**
   * Say why nothing can be shown, for as long as nothing is known.
   *
   * @param {string} sentence empty: it is still being loaded
   */
  explain(sentence) {
    this.#fault = sentence;
    this.#drawSoon();
  }

  /** Draw no more. */
  stop() {
    this.#stopTicking();
    this.#forget?.();
    this.#forget = undefined;
    this.#unobserve?.();
    this.#unobserve = undefined;
    this.#cancel();
  }

  #stopTicking() {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  // Drawing: all cards in one frame, and no part that has not changed

  #drawSoon() {
    if (this.#isInView || this.#snapshot?.phase !== this.#host.dataset.phase) {
      drawSoon(this.#drawing);
    } else {
      this.#later ??= setTimeout(() => drawSoon(this.#drawing), OUT_OF_VIEW_MS);
    }
  }

  #cancel() {
    drawNoMore(this.#drawing);
    clearTimeout(this.#later);
    this.#later = undefined;
  }

  #draw() {
    this.#cancel();
    if (this.#snapshot) this.#drawSnapshot(this.#snapshot);
    else if (this.#missing) this.#drawEmpty("missing", this.#missing);
    else if (this.#fault) this.#drawEmpty("unreachable", "Cannot be loaded:", this.#fault);
  }

  /** @param {Snapshot} snapshot */
  #drawSnapshot(snapshot) {
    const { connection } = this.#watcher;
    const now = connection.state === "offline" ? connection.heardAt : connection.now(); // then times stop
    const shown = asShown(snapshot);
    const rate = this.#pace.rate(now);
    const left = this.#pace.left(shown, now);
    const { workers = null, queues = null, paused = null } = connection.server ?? {};
    const labels = connection.labelsOf(snapshot.name);
    const { hints } = this.#options;
    const reading = read(snapshot, { now, labels, hints, workers, queues, paused, rate, left });
    set(this.#host, "data-phase", shown.phase);
    this.#drawTitle(snapshot);
    for (const part of /** @type {const} */ (["sign", "figure", "headline", "text", "numbers"])) {
      this.#write(part, reading[part]);
    }
    this.#write("line", isFinal(snapshot) ? "" : (this.#line?.text ?? ""));
    this.#drawEnd(shown, now);
    this.#drawBar(shown);
    this.#drawLink(snapshot);
    drawFiles(this.#part("files"), snapshot, (path) => this.#watcher.server.link(path));
    this.#drawDetails(snapshot);
    this.#actions?.show(snapshot);
    set(this.#host, "data-version", String(snapshot.version)); // last: who sees it finds all else drawn
  }

  /** @param {string} phase @param {string} headline @param {string} [text] */
  #drawEmpty(phase, headline, text = "") {
    set(this.#host, "data-phase", phase);
    this.#write("sign", "–");
    for (const part of /** @type {const} */ (["figure", "numbers", "line", "when", "files"])) this.#write(part, "");
    this.#write("headline", headline);
    this.#write("text", text);
    this.#part("bar").setAttribute("value", "0");
    for (const part of /** @type {const} */ (["more", "details", "link"])) this.#part(part).hidden = true;
    this.#actions?.show(null);
  }

  /** The title leads to the task's own page. @param {Snapshot} snapshot */
  #drawTitle({ title, task_id }) {
    const part = this.#part("title");
    const link = part.querySelector("a") ?? document.createElement("a");
    if (!link.parentElement) part.replaceChildren(link);
    set(link, "href", this.#watcher.server.link(`/tasks/${encodeURIComponent(task_id)}`));
    if (link.textContent !== title) link.textContent = title;
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
    set(bar, "aria-label", snapshot.title);
    if (part === null && !isFinal(snapshot)) bar.removeAttribute("value");
    else set(bar, "value", String(part ?? 0));
  }

  /** @param {Snapshot} snapshot */
  #drawLink(snapshot) {
    const link = this.#part("link");
    const shown = this.#resultLink(snapshot) ?? this.#options.linkOf?.(snapshot);
    link.hidden = !shown;
    if (!shown) return;
    set(link, "href", shown.href);
    this.#write("link", shown.text);
  }

  /** @param {Snapshot} snapshot */
  #resultLink(snapshot) {
    const text = showAll(snapshot);
    const path = `/tasks/${encodeURIComponent(snapshot.task_id)}/result`;
    return text ? { href: this.#watcher.server.link(path), text } : null;
  }

  /** @param {Snapshot} snapshot */
  #drawDetails(snapshot) {
    const more = this.#part("more");
    more.hidden = false;
    set(more, "aria-label", `Details of ${snapshot.title}`);
    const list = this.#part("details");
    list.hidden = more.getAttribute("aria-expanded") !== "true";
    if (!list.hidden) fillList(list, details(snapshot, this.#watcher.connection.labelsOf(snapshot.name)));
  }

  #toggleDetails() {
    const { more } = this.#parts;
    set(more, "aria-expanded", String(more.getAttribute("aria-expanded") !== "true"));
    this.#drawSoon();
  }

  /** @param {Part} name @param {string} text */
  #write(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
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
    row.map((text, column) => {
      const cell = document.createElement(column ? "dd" : "dt");
      cell.textContent = text;
      return cell;
    }),
  );
  list.replaceChildren(...cells);
}
