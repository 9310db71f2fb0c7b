/**
 * `<task-progress task-id="...">`: draws one task, live. Whatever the server rendered inside is kept and filled; an empty
 * element makes its own parts. It needs no framework, no other script and no styles.
 */

import { at } from "./root.js";
import { isFinal, percent } from "./snapshot.js";
import { sharedWatcher, watchTask } from "./watch-task.js";
import { MISSING, details, isMail, read, showAll } from "./words.js";
import { Pace } from "./pace.js";
import { TaskActions } from "./task-actions.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {keyof typeof TAGS} Part
 */

const TAGS = /** @type {const} */ ({
  sign: "span",
  title: "h3",
  actions: "span",
  more: "button",
  bar: "progress",
  figure: "span",
  headline: "strong",
  text: "span",
  numbers: "span",
  link: "a",
  line: "code",
  message: "p",
  note: "p",
  details: "dl",
});
const TICK_MS = 250;

export class TaskProgress extends HTMLElement {
  static observedAttributes = ["task-id"];

  static define(tag = "task-progress") {
    if (!customElements.get(tag)) customElements.define(tag, TaskProgress);
  }

  /** @type {Record<Part, HTMLElement> | undefined} */
  #parts;
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {LogLine | null} */
  #line = null;
  #missing = false;
  #pace = new Pace();
  /** @type {TaskActions | undefined} */
  #actions;
  #frame = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticking;
  #stop = () => {};

  connectedCallback() {
    this.#parts ??= this.#adopt();
    this.#actions ??= new TaskActions(this.#parts);
    this.#watch();
  }

  disconnectedCallback() {
    this.#stop();
    this.#rest();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  attributeChangedCallback() {
    if (this.isConnected && this.#parts) this.#watch();
  }

  #watch() {
    this.#stop();
    const taskId = this.getAttribute("task-id");
    this.#stop = taskId ? watchTask(taskId, (snapshot, line) => this.#take(snapshot, line)) : () => {};
  }

  /** @param {Snapshot | null} snapshot @param {LogLine | null} line */
  #take(snapshot, line) {
    this.#snapshot = snapshot;
    this.#line = line;
    this.#missing = !snapshot;
    if (snapshot) this.#pace.observe(snapshot);
    if (!snapshot || isFinal(snapshot)) this.#rest();
    else this.#ticking ??= setInterval(() => this.#drawSoon(), TICK_MS);
    this.#drawSoon();
  }

  #rest() {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  // Drawing: once per frame, and no part that has not changed

  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (this.#snapshot) this.#drawSnapshot(this.#snapshot);
    else if (this.#missing) this.#drawMissing();
  }

  /** @param {Snapshot} snapshot */
  #drawSnapshot(snapshot) {
    const { connection } = sharedWatcher();
    const now = connection.now();
    const [rate, left] = [this.#pace.rate(now), this.#pace.left(snapshot, now)];
    const { workers = null, queues = null, paused = null } = connection.server ?? {};
    const reading = read(snapshot, { now, workers, queues, paused, rate, left });
    set(this, "data-phase", snapshot.phase);
    this.#write("title", snapshot.title);
    for (const part of /** @type {const} */ (["sign", "figure", "headline", "text", "numbers"])) {
      this.#write(part, reading[part]);
    }
    this.#write("line", isFinal(snapshot) ? "" : (this.#line?.text ?? ""));
    this.#drawBar(snapshot);
    this.#drawLink(snapshot);
    this.#drawDetails(snapshot);
    this.#actions?.show(snapshot);
    set(this, "data-version", String(snapshot.version)); // last: who sees it finds all else drawn
  }

  #drawMissing() {
    set(this, "data-phase", "missing");
    this.#write("sign", "–");
    for (const part of /** @type {const} */ (["figure", "text", "numbers", "line"])) this.#write(part, "");
    this.#write("headline", MISSING);
    this.#part("bar").setAttribute("value", "0");
    for (const part of /** @type {const} */ (["more", "details", "link"])) this.#part(part).hidden = true;
    this.#actions?.show(null);
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
    const all = showAll(snapshot);
    link.hidden = !all && (!isMail(snapshot) || document.body.dataset.inbox !== "on");
    if (link.hidden) return;
    const taskId = encodeURIComponent(snapshot.task_id);
    set(link, "href", at(all ? `/tasks/${taskId}/result` : `/inbox?task_id=${taskId}`));
    this.#write("link", all || "Open in inbox →");
  }

  /** @param {Snapshot} snapshot */
  #drawDetails(snapshot) {
    const more = this.#part("more");
    more.hidden = false;
    set(more, "aria-label", `Details of ${snapshot.title}`);
    const list = this.#part("details");
    list.hidden = more.getAttribute("aria-expanded") !== "true";
    if (!list.hidden) fill(list, details(snapshot));
  }

  /** @param {Part} name @param {string} text */
  #write(name, text) {
    const part = this.#part(name);
    if (part.textContent !== text) part.textContent = text;
  }

  /** @param {Part} name */
  #part(name) {
    return /** @type {Record<Part, HTMLElement>} */ (this.#parts)[name];
  }

  // Parts: the server's, or our own

  /** @returns {Record<Part, HTMLElement>} */
  #adopt() {
    const found = this.querySelector("[data-part]") !== null;
    if (!found) this.#build();
    const entries = Object.keys(TAGS).map((name) => [name, this.querySelector(`[data-part="${name}"]`)]);
    const parts = /** @type {Record<Part, HTMLElement>} */ (Object.fromEntries(entries));
    parts.more.addEventListener("click", () => {
      set(parts.more, "aria-expanded", String(parts.more.getAttribute("aria-expanded") !== "true"));
      this.#drawSoon();
    });
    return parts;
  }

  #build() {
    const part = (/** @type {Part} */ name) => {
      const element = document.createElement(TAGS[name]);
      element.dataset.part = name;
      return element;
    };
    const [sign, title, actions, more, bar, link, list, message] = /** @type {Part[]} */ (
      ["sign", "title", "actions", "more", "bar", "link", "details", "message"]
    ).map(part);
    set(sign, "aria-hidden", "true");
    title.textContent = this.getAttribute("label") ?? "Task";
    set(more, "type", "button");
    set(more, "aria-expanded", "false");
    more.textContent = "Details";
    set(bar, "max", "100");
    set(bar, "value", "0");
    set(bar, "aria-label", title.textContent);
    link.textContent = "Open in inbox →";
    set(message, "role", "alert");
    more.hidden = link.hidden = list.hidden = true;
    const words = document.createElement("p");
    const headline = part("headline");
    headline.textContent = this.hasAttribute("task-id") ? "Loading…" : "Sending request…";
    words.append(headline, " ", part("text"), " ", part("numbers"), " ", link);
    const head = document.createElement("div");
    head.append(sign, " ", title, " ", actions, " ", more);
    this.replaceChildren(head, bar, " ", part("figure"), words, part("line"), message, part("note"), list);
  }
}

/** @param {Element} element @param {string} name @param {string} value */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** @param {HTMLElement} list @param {[string, string][]} rows */
function fill(list, rows) {
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
