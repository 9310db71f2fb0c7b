/** `<headway-task-page>`: keeps a task's own page, which the server has made, up to date. */

import WORDS from "./card-words.js";
import { ConnectionChip } from "./connection-chip.js";
import { parse } from "./exact.js";
import { Favicon } from "./favicon.js";
import { Notifier } from "./notifier.js";
import { offerPush } from "./push-switch.js";
import { PageLog } from "./page-log.js";
import { PageParts } from "./page-parts.js";
import { PageSections } from "./page-sections.js";
import { PageStreams } from "./page-streams.js";
import { Plot } from "./plot.js";
import { CREDENTIALS } from "./reading.js";
import { parseSource } from "./server.js";
import { asShown, isFinal } from "./snapshot.js";
import { TaskFiles } from "./task-files.js";
import { TaskLog } from "./task-log.js";
import { release, watcherOf } from "./watchers.js";
import { headline } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

export class HeadwayTaskPage extends HTMLElement {
  /** @type {(() => void)[]} */
  #undo = [];
  /** @type {TaskLog | undefined} */
  #log;
  /** @type {PageStreams | undefined} */
  #streams;
  /** What the sections that the server makes were made of. */
  #made = "";
  #partsMade = "";
  #plot = new Plot([]);
  #icon = new Favicon(document);
  /** @type {Notifier | undefined} */
  #notifier;
  #frame = 0;
  /** @type {TaskFiles | undefined} */
  #files;
  /** @type {PageSections | undefined} */
  #sections;

  connectedCallback() {
    const task = /** @type {HTMLElement} */ (this.querySelector("headway-task"));
    const token = task.getAttribute("token") ?? "";
    const { server, name } = parseSource("task", task.getAttribute("src"), token, document.baseURI);
    const watcher = watcherOf(server);
    const lines = new PageLog(this.#part("lines"), this.#part("empty"), this.#part("follow"));
    const log = (this.#log = new TaskLog(
      lines.last,
      (added, lost) => lines.add(added, lost),
      (after) => read(server.at(`/tasks/${encodeURIComponent(name)}/log?after=${after}`), server.headers),
    ));
    const streams = (this.#streams = new PageStreams(
      this.#part("streams"),
      /** @type {HTMLTemplateElement} */ (this.#part("stream")),
      (stream, offset, epoch) => {
        const query = new URLSearchParams({ offset: String(offset), epoch: String(epoch) });
        return read(server.at(`/tasks/${encodeURIComponent(name)}/streams/${stream}?${query}`), server.headers);
      },
    ));
    const notifier = (this.#notifier = new Notifier(() => location.href));
    const files = (this.#files = new TaskFiles(
      () => read(server.at(`/tasks/${encodeURIComponent(name)}/files`), server.headers),
      () => void this.#sections?.renew(),
    ));
    this.#plot = new Plot(JSON.parse(this.#part("plot").dataset.points ?? "[]"));
    const parts = new PageParts(() => this.querySelector("#parts"), watcher);
    const sections = (this.#sections = new PageSections(this, () => parts.adopt()));
    const chip = new ConnectionChip(this.#part("connection"), watcher.connection);
    this.#undo = [
      () => sections.stop(),
      () => parts.stop(),
      () => chip.stop(),
      () => cancelAnimationFrame(this.#frame),
      watcher.connection.on("log", ({ task_id, lines }) => task_id === name && log.take(lines)),
      watcher.connection.on("stream", (event) => event.task_id === name && streams.take(event)),
      watcher.connection.on("files", ({ task_id }) => task_id === name && files.reach()),
      watcher.connection.on("change", (state) => state === "live" && files.reach()), // some may have been missed
      watcher.watchTask(name, (snapshot, line, isForgotten) => {
        if (snapshot) return this.#take(snapshot, line, watcher);
        queueMicrotask(() => this.disconnectedCallback()); // nothing here is this reader's any more
        if (isForgotten) this.#forget();
        else void reloadIfGone();
      }),
      () => log.stop(),
      () => streams.stop(),
      () => files.stop(),
      () => release(server),
      () => notifier.stop(),
    ];
    const notify = this.#part("notify");
    Notifier.offer(/** @type {HTMLInputElement} */ (notify.querySelector("input")), notify);
    const push = this.#part("push"); // where the server sends none there is no such part
    if (push) void offerPush(/** @type {HTMLInputElement} */ (push.querySelector("input")), push, server);
    offerCopy(this);
  }

  disconnectedCallback() {
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** @param {Snapshot} snapshot @param {LogLine | null} line @param {TaskWatcher} watcher */
  #take(snapshot, line, { connection }) {
    const shown = asShown(snapshot);
    const words = headline(shown, connection.labelsOf(snapshot.name));
    this.#icon.show(shown);
    this.#notifier?.receive(shown, connection.labelsOf(snapshot.name));
    document.title = `${shown.phase === "running" ? `(${words})` : words} ${snapshot.title} · Headway`;
    if (this.#plot.take(snapshot)) this.#drawPlotSoon(snapshot);
    // What was pushed comes by the log's own event, after this one.
    queueMicrotask(() => this.#log?.reach(line?.seq ?? 0));
    this.#streams?.reach(snapshot);
    this.#renewForParts(snapshot);
    const made = [snapshot.phase, snapshot.attempt, snapshot.finished_at].join(" ");
    if (made === this.#made) {
      if (connection.state !== "polling") return;
      this.#log?.reach(Infinity);
      this.#files?.reach();
      return;
    }
    if (this.#made || !isFinal(snapshot)) this.#log?.reach(Infinity);
    this.#made = made;
    void this.#sections?.renew();
  }

  /** What is shown of parts is watched; their number, and which failed first, the server says. @param {Snapshot} snapshot */
  #renewForParts({ parts }) {
    const key = parts ? `${parts.count} ${parts.ended} ${parts.failed}` : "";
    if (key === this.#partsMade) return;
    this.#partsMade = key;
    this.#sections?.renewSoon();
  }

  /** @param {Snapshot} snapshot */
  #drawPlotSoon(snapshot) {
    cancelAnimationFrame(this.#frame);
    if (!this.#plot.hasCurve) return;
    this.#frame = requestAnimationFrame(() => {
      for (const [name, path] of Object.entries(this.#plot.paths(snapshot))) {
        this.#part(name).setAttribute("d", path);
      }
      for (const [axis, labels] of Object.entries(this.#plot.labels(snapshot))) {
        this.#part(axis).replaceChildren(...labels.map(span));
      }
      this.#part("plot-summary").textContent = this.#plot.summary(snapshot);
      this.#part("plot").hidden = false;
    });
  }

  /** Nothing is kept of the task: nor does its page show what was. The card says so. */
  #forget() {
    for (const part of [...this.children]) if (!part.matches("h1, .head, headway-task")) part.remove();
    document.title = `${WORDS.forgotten} · Headway`;
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.querySelector(`[data-part="${name}"]`));
  }
}

/** The link was withdrawn, or the task has expired: where the page is gone, the server says which. */
async function reloadIfGone() {
  const request = fetch(location.href, { headers: { Accept: "text/html" }, credentials: CREDENTIALS });
  const page = await request.catch(() => null);
  if (page?.status === 404) location.reload();
}

/** Have the buttons of a page copy the texts after them, where a script can. @param {HTMLElement} page */
function offerCopy(page) {
  if (!navigator.clipboard) return; // plain http from another machine
  page.dataset.canCopy = "";
  page.addEventListener("click", async ({ target }) => {
    const one = /** @type {HTMLElement} */ (target);
    if (!one.matches("[data-copies]")) return;
    const copied = one.nextElementSibling;
    await navigator.clipboard.writeText((copied instanceof HTMLInputElement ? copied.value : copied?.textContent) ?? "");
    one.textContent = WORDS.page.copied;
  });
  const button = /** @type {HTMLElement} */ (page.querySelector('[data-part="copy"]'));
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(page.querySelector('[data-part="id"]')?.textContent ?? "");
    button.textContent = WORDS.page.copied;
  });
}

/** @param {string} text */
function span(text) {
  const made = document.createElement("span");
  made.textContent = text;
  return made;
}

/** @param {string} address @param {Record<string, string>} headers */
async function read(address, headers) {
  const response = await fetch(address, { headers, credentials: CREDENTIALS });
  if (!response.ok) throw new Error(`${response.status}`);
  return parse(await response.text());
}
