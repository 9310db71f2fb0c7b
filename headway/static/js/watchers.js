/** The watchers of a page: one for each server and token, shared by all its elements. */

import { Connection } from "./connection.js";
import { TaskWatcher } from "./task-watcher.js";

/** @typedef {import("./server.js").Server} Server */

const CLOCK_MS = 1000; // between two looks at whether this machine has slept
const IDLE_MS = 5000; // an element that moves within its page leaves it and comes back

/** @type {Map<string, {watcher: TaskWatcher, close: () => void}>} */
const watchers = new Map();

/**
 * The page's one watcher of a server with this token, made and connected at its first use.
 *
 * @param {Server} server
 */
export function watcherOf(server) {
  const key = keyOf(server);
  const known = watchers.get(key) ?? connected(server);
  watchers.set(key, known);
  return known.watcher;
}

/**
 * Close a server's watcher soon, unless somebody watches by then.
 *
 * @param {Server} server
 */
export function release(server) {
  setTimeout(() => {
    const known = watchers.get(keyOf(server));
    if (!known?.watcher.isIdle) return;
    watchers.delete(keyOf(server));
    known.close();
  }, IDLE_MS);
}

/** @param {Server} server */
function keyOf({ base, token }) {
  return `${base} ${token}`;
}

/** @param {Server} server */
function connected(server) {
  const connection = new Connection({ server });
  const watcher = new TaskWatcher(connection);
  const end = new AbortController();
  const { signal } = end;
  const note = () => connection.note({ onLine: navigator.onLine });
  const check = () => (note(), watcher.check());
  const checking = setInterval(() => watcher.checkClock(), CLOCK_MS);
  addEventListener("online", check, { signal });
  addEventListener("offline", check, { signal });
  addEventListener("pageshow", (event) => event.persisted && check(), { signal });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && check(), { signal });
  note();
  connection.open();
  const close = () => {
    end.abort();
    clearInterval(checking);
    watcher.close();
  };
  return { watcher, close };
}
