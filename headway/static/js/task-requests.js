/** The requests by which a person changes tasks. */

import { Refused, post } from "./requests.js";

/** @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher */
/** @typedef {import("./server.js").Server} Server */
/** @typedef {import("./snapshot.js").Snapshot} Snapshot */
/** @typedef {{task_id: string, code: string, message: string}} Refusal */

const MAX_IDS = 100; // in one request

/** A token for some tasks does not open those that it has started: that for all brings them. @param {Server} server @param {string} what */
const isReadable = ({ token }, what) => !token || what !== "retry";

/**
 * Ask for a change of a task; the answer's snapshot goes where all others go. Returns it, null for a task that is gone.
 * Where the refusal shows that the page has missed the truth, that is read before this rejects.
 *
 * @param {TaskWatcher} watcher
 * @param {string} taskId
 * @param {"answer" | "cancel" | "schedule" | "retry" | "forget"} what
 * @param {object} [body]
 * @param {string} [key]
 */
export async function requestChange(watcher, taskId, what, body, key) {
  const { server } = watcher;
  try {
    const address = `${server.pageOf(taskId)}/${what}`;
    const snapshot = await post(address, { body, key, headers: server.headers });
    if (snapshot && isReadable(server, what)) watcher.receive(snapshot);
    return snapshot;
  } catch (error) {
    if (error instanceof Refused && (error.status === 404 || error.status === 409)) {
      await watcher.refresh(taskId).catch(() => undefined);
    }
    throw error;
  }
}

/**
 * Ask for the same change of several tasks; the snapshots of the answer go where all others go.
 *
 * @param {TaskWatcher} watcher
 * @param {import("./choice-words.js").Action} action
 * @param {string[]} ids
 * @param {string} key
 */
export async function requestChanges(watcher, action, ids, key) {
  const { server } = watcher;
  /** @type {{done: string[], refused: Refusal[]}} */
  const all = { done: [], refused: [] };
  for (let from = 0; from < ids.length; from += MAX_IDS) {
    const body = { action, task_ids: ids.slice(from, from + MAX_IDS) };
    const answer = await post(server.at("/tasks/batch"), { body, key, headers: server.headers });
    if (isReadable(server, action)) answer.snapshots.forEach((/** @type {Snapshot} */ one) => watcher.receive(one));
    all.done.push(...answer.done);
    all.refused.push(...answer.refused);
  }
  return all;
}
