/** `<headway-task-page>`: keeps a task's own page, which the server has made, up to date. */

import { buttonsReason, connectionReason, connectionWords } from "./connection-words.js";
import { formatTime } from "./format.js";
import { parse } from "./exact.js";
import { Favicon } from "./favicon.js";
import { Notifier } from "./notifier.js";
import { offerPush } from "./push-switch.js";
import { PageParts } from "./page-parts.js";
import { PageStreams } from "./page-streams.js";
import { Plot } from "./plot.js";
import { CREDENTIALS } from "./reading.js";
import { parseSource } from "./server.js";
import { asShown, isFinal } from "./snapshot.js";
import { TaskFiles } from "./task-files.js";
import { MAX_SHOWN, TaskLog, lineElement, matches } from "./task-log.js";
import { release, watcherOf } from "./watchers.js";
import { headline } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

const FEWEST_POINTS = 3; // below that there is no curve to see
const PARTS_MS = 500; // between two renewals for the number of parts
const GRACE_MS = 300; // a check that is answered sooner is no loss of connection

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
  #renewals = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #grace;
  /** @type {TaskFiles | undefined} */
  #files;
  /** @type {PageParts | undefined} */
  #parts;
  /** @type {ReturnType<typeof setTimeout> | undefined} the next renewal, for parts */
  #renewing;

  connectedCallback() {
    const task = /** @type {HTMLElement} */ (this.querySelector("headway-task"));
    const token = task.getAttribute("token") ?? "";
    const { server, name } = parseSource("task", task.getAttribute("src"), token, document.baseURI);
    const watcher = watcherOf(server);
    const log = (this.#log = new TaskLog(
      Number(this.#part("lines").dataset.last),
      (lines, lost) => this.#addLines(lines, lost),
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
      () => void this.#renew(),
    ));
    this.#plot = new Plot(JSON.parse(this.#part("plot").dataset.points ?? "[]"));
    const parts = (this.#parts = new PageParts(() => this.querySelector("#parts"), watcher));
    this.#undo = [
      () => clearTimeout(this.#renewing),
      () => parts.stop(),
      () => cancelAnimationFrame(this.#frame),
      watcher.connection.on("log", ({ task_id, lines }) => task_id === name && log.take(lines)),
      watcher.connection.on("stream", (event) => event.task_id === name && streams.take(event)),
      watcher.connection.on("files", ({ task_id }) => task_id === name && files.reach()),
      watcher.connection.on("change", (state) => state === "live" && files.reach()), // some may have been missed
      watcher.watchTask(name, (snapshot, line) => snapshot && this.#take(snapshot, line, watcher)),
      watcher.connection.on("change", () => this.#showConnectionSoon(watcher)),
      watcher.connection.on("server", () => this.#showConnectionSoon(watcher)),
      () => clearTimeout(this.#grace),
      () => log.stop(),
      () => streams.stop(),
      () => files.stop(),
      () => release(server),
      () => notifier.stop(),
    ];
    const notify = this.#part("notify");
    Notifier.offer(/** @type {HTMLInputElement} */ (notify.querySelector("input")), notify);
    const push = this.#part("push");
    void offerPush(/** @type {HTMLInputElement} */ (push.querySelector("input")), push, server);
    this.#part("follow").hidden = false;
    this.#part("connection").hidden = false;
    this.#offerCopy();
    localise(this);
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
    const isFirst = !this.#made;
    this.#made = made;
    if (!isFirst || !isFinal(snapshot)) this.#log?.reach(Infinity);
    void this.#renew();
  }

  /** What is shown of parts is watched; their number, and which failed first, the server says. @param {Snapshot} snapshot */
  #renewForParts({ parts }) {
    const key = parts ? `${parts.count} ${parts.ended} ${parts.failed}` : "";
    if (key === this.#partsMade) return;
    this.#partsMade = key;
    this.#renewing ??= setTimeout(() => {
      this.#renewing = undefined;
      void this.#renew();
    }, PARTS_MS);
  }

  /** @param {Snapshot} snapshot */
  #drawPlotSoon(snapshot) {
    cancelAnimationFrame(this.#frame);
    if (this.#plot.points.length < FEWEST_POINTS) return;
    this.#frame = requestAnimationFrame(() => {
      for (const [name, path] of Object.entries(this.#plot.paths(snapshot))) {
        this.#part(name).setAttribute("d", path);
      }
      this.#part("plot-summary").textContent = this.#plot.summary(snapshot);
      this.#part("plot").hidden = false;
    });
  }

  /** @param {TaskWatcher} watcher */
  #showConnectionSoon(watcher) {
    if (watcher.connection.state === "live") this.#showConnection(watcher);
    else this.#grace ??= setTimeout(() => this.#showConnection(watcher), GRACE_MS);
  }

  /** @param {TaskWatcher} watcher */
  #showConnection({ connection }) {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    const chip = this.#part("connection");
    const [sign, words] = connectionWords(connection);
    const why = buttonsReason(connection) || connectionReason(connection);
    chip.dataset.state = connection.state;
    chip.children[0].textContent = sign;
    chip.children[1].textContent = why ? `${words}. ${why}` : words;
  }

  /** Have the server make the parts again that tell of the task's history. */
  async #renew() {
    const renewal = ++this.#renewals;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: CREDENTIALS });
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (renewal !== this.#renewals) return; // a later one has begun
      for (const part of this.querySelectorAll("[data-live]")) {
        const next = page.getElementById(part.id);
        if (next && next.outerHTML !== part.outerHTML && !isSameQuestion(part, next)) part.replaceWith(document.adoptNode(next));
      }
      localise(this);
      this.#parts?.adopt();
    } catch {
      this.#made = ""; // the next news of the task tries it again
    }
  }

  /** @param {LogLine[]} lines @param {number} lost */
  #addLines(lines, lost) {
    const box = this.#part("lines");
    const list = /** @type {HTMLOListElement} */ (box.querySelector("ol"));
    const { level = "", find = "" } = box.dataset;
    const items = lines.filter((line) => matches(line, level, find)).map(lineElement);
    if (!items.length) return;
    list.append(...(lost ? [gap(lost)] : []), ...items);
    while (list.childElementCount > MAX_SHOWN) list.firstElementChild?.remove();
    box.hidden = false;
    this.#part("empty").hidden = true;
    const follow = /** @type {HTMLInputElement} */ (this.#part("follow").querySelector("input"));
    if (follow.checked) box.scrollTop = box.scrollHeight;
  }

  #offerCopy() {
    if (!navigator.clipboard) return; // plain http from another machine
    const button = this.#part("copy");
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.#part("id").textContent ?? "");
      button.textContent = "Copied";
    });
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.querySelector(`[data-part="${name}"]`));
  }
}

/** Whether a part asks what it asked: its form may hold an answer, and what is wrong with it. @param {Element} one @param {Element} other */
function isSameQuestion(one, other) {
  const [before, after] = [one, other].map((part) => part.querySelector("[name=question_id]")?.getAttribute("value"));
  return before !== undefined && before === after;
}

/** @param {number} lost */
function gap(lost) {
  const item = document.createElement("li");
  item.textContent = `Lines up to ${lost} are no longer kept.`;
  return item;
}

/** Show times by the reader's own clock. @param {HTMLElement} root */
function localise(root) {
  for (const time of root.querySelectorAll("time")) time.textContent = formatTime(time.dateTime);
}

/** @param {string} address @param {Record<string, string>} headers */
async function read(address, headers) {
  const response = await fetch(address, { headers, credentials: CREDENTIALS });
  if (!response.ok) throw new Error(`${response.status}`);
  return parse(await response.text());
}
