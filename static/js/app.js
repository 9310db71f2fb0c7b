/** The page: puts the parts together. */

import { Announcer } from "headway/announcer.js";
import { buttonsReason, connectionReason, connectionWords } from "headway/connection-words.js";
import { fill, formatTime } from "headway/format.js";
import { translated } from "headway/language.js";
import { Notifier } from "headway/notifier.js";
import { PAGE, sharedWatcher } from "headway/page.js";
import { offerPush } from "headway/push-switch.js";
import { asShown } from "headway/snapshot.js";
import { TabTitle } from "headway/tab-title.js";
import { TaskProgress } from "headway/task-progress.js";

import { serverWords } from "./server-words.js";
import { offerShortcuts } from "./shortcuts.js";
import { TaskForm } from "./task-form.js";
import { TaskList } from "./task-list.js";
import { offerThemes } from "./theme.js";
import WORDS from "./words.js";

/**
 * @typedef {import("headway/snapshot.js").Snapshot} Snapshot
 * @typedef {import("headway/connection.js").ServerState} ServerState
 * @typedef {import("headway/connection.js").ConnectionState} ConnectionState
 */

const CHIP_GRACE_MS = 300; // a check that is answered sooner is no loss of connection

const HINTS = { worker: WORDS.worker_hint, resume: WORDS.resume_hint };

/** @param {string} selector */
function find(selector) {
  return /** @type {HTMLElement} */ (document.querySelector(selector));
}

/** On a phone the forms fold into a button once there are tasks. Returns how to fold them. */
function foldForms() {
  const button = find("#new-task");
  const open = (/** @type {boolean} */ isOpen) => button.setAttribute("aria-expanded", String(isOpen));
  button.addEventListener("click", () => {
    open(button.getAttribute("aria-expanded") !== "true");
    if (button.getAttribute("aria-expanded") === "true") find("#new input:not([type=hidden])").focus();
  });
  return () => {
    if (!button.checkVisibility()) return;
    const hadFocus = find("#new").contains(document.activeElement);
    open(false);
    if (hadFocus) button.focus();
  };
}

function showTasks() {
  const fold = foldForms();
  const watcher = sharedWatcher();
  const list = new TaskList(find("#tasks"), watcher);
  const announcer = new Announcer(find("#announcer"), find("#alarm"));
  const titles = new TabTitle(document);
  const notifier = new Notifier((taskId) => PAGE.pageOf(taskId));
  Notifier.offer(/** @type {HTMLInputElement} */ (find("#notify input")), find("#notify"));
  void offerPush(/** @type {HTMLInputElement} */ (find("#push input")), find("#push"), PAGE);
  /** @type {import("headway/tracked-tasks.js").OnMine} */
  const receive = (snapshot, taskId, isForgotten) => {
    const labels = watcher.connection.labelsOf(snapshot?.name ?? "");
    if (snapshot && list.receive(snapshot)) watcher.refreshListSoon();
    if (!snapshot) list.remove(taskId, isForgotten);
    for (const part of [announcer, titles, notifier]) {
      if (snapshot) part.receive(asShown(snapshot), labels);
      else part.remove(taskId, isForgotten);
    }
  };
  watcher.watchMine(receive, (counts) => list.settle(counts, watcher.connection.now()));
  showDoubt(list);
  for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("#new form"))) {
    const taskForm = new TaskForm(form, {
      sending: (title) => list.expect(title),
      refused: (item) => list.drop(item),
      accepted: (item, snapshot) => {
        list.accept(item, snapshot);
        watcher.receive(snapshot);
        fold();
      },
    });
    watcher.connection.on("change", () => taskForm.explain(buttonsReason(watcher.connection)));
  }
}

/**
 * The way to an email that the development inbox has taken.
 *
 * @param {Snapshot} snapshot
 */
function inboxLink({ name, phase, task_id }) {
  const isThere = name === "send_async_email" && phase === "succeeded";
  if (!isThere || document.body.dataset.inbox !== "on") return null;
  const href = PAGE.at(`/inbox?${new URLSearchParams({ task_id })}`);
  return { href, text: WORDS.inbox_link };
}

function showConnection() {
  const { connection } = sharedWatcher();
  const chip = find("#connection");
  const [sign, words] = [find("#connection [data-part=sign]"), find("#connection [data-part=words]")];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let grace;
  const show = () => {
    clearTimeout(grace);
    grace = undefined;
    chip.dataset.state = problemOf(connection) ? "problem" : connection.state;
    [sign.textContent, words.textContent] = chipWords(connection);
  };
  connection.on("server", () => grace === undefined && show());
  connection.on("change", (/** @type {ConnectionState} */ state) => {
    if (state === "live") show();
    else grace ??= setTimeout(show, CHIP_GRACE_MS);
  });
}

/**
 * What is not known is not shown as nothing, and what was known says when.
 *
 * @param {TaskList} list
 */
function showDoubt(list) {
  const { connection } = sharedWatcher();
  const show = () => {
    const isOffline = connection.state === "offline";
    const reason = connectionReason(connection).replace(/[.。]$/, "");
    const why = isOffline ? reason || WORDS.away : translated(problemOf(connection)?.message ?? "");
    const sentence = why ? fill(WORDS.unknown, { why }) : "";
    const since = isOffline ? fill(WORDS.since, { time: formatTime(connection.heardAt, connection.now()) }) : "";
    list.doubt(sentence, since);
  };
  connection.on("server", show);
  connection.on("change", show);
}

/**
 * What the server says is wrong with Redis, where it can be asked: no task starts then.
 *
 * @param {import("headway/connection.js").Connection} connection
 */
function problemOf({ state, server }) {
  return state === "live" || state === "polling" ? server?.problem : null;
}

/** @param {import("headway/connection.js").Connection} connection */
function chipWords(connection) {
  const problem = problemOf(connection);
  return problem ? ["▲", translated(problem.message)] : connectionWords(connection);
}

/** Without a cookie nobody's tasks can be shown: said before anything is started. */
function showCookies() {
  const notice = find("#cookies");
  notice.textContent = cookieProblem();
  notice.hidden = !notice.textContent;
}

function cookieProblem() {
  const isSecure = document.body.dataset.cookies === "secure";
  if (keepsCookie(isSecure)) return "";
  return isSecure && keepsCookie(false) ? WORDS.cookie_insecure : WORDS.cookie_blocked;
}

/**
 * Found by trying: where a site's cookies are blocked, `navigator.cookieEnabled` may still be true.
 *
 * @param {boolean} isSecure
 */
function keepsCookie(isSecure) {
  const probe = `headway_probe=1; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  try {
    document.cookie = probe;
    const kept = document.cookie.includes("headway_probe=1");
    document.cookie = `${probe}; Max-Age=0`;
    return kept;
  } catch {
    return false; // a sandbox forbids even to look
  }
}

function showServer() {
  sharedWatcher().connection.on("server", (/** @type {ServerState} */ server) => {
    find("#server").textContent = serverWords(server);
  });
}

/** The server writes times in UTC: those of the inbox, and what its pages say besides tasks. */
function localise() {
  for (const time of document.querySelectorAll("main time:not([data-part])")) {
    if (time instanceof HTMLTimeElement) time.textContent = formatTime(time.dateTime);
  }
}

localise();
offerThemes(find("#theme"));
offerShortcuts(find("#keys"), /** @type {HTMLDialogElement} */ (find("#shortcuts")));
// A task's own page has a socket of its own, and its card says how that is.
if (document.querySelector("headway-task-page")) {
  find("#connection").hidden = true;
} else {
  showConnection();
  showServer();
}
if (document.querySelector("#cookies")) showCookies();
if (document.querySelector("#tasks")) showTasks();
TaskProgress.options = { hints: HINTS, linkOf: inboxLink };
TaskProgress.define();
