/** What there is to say of a task beyond a line. Pure. */

import { print } from "./exact.js";
import { formatSize, formatTime } from "./format.js";
import { shortResult, waiting } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./words.js").Labels} Labels
 */

/**
 * Pairs of name and value.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 * @returns {[string, string][]}
 */
export function details(snapshot, labels = {}) {
  const { error, attempt, failures, max_attempts } = snapshot;
  const attempts = attempt && !waiting(snapshot, labels);
  /** @type {[string, string][]} */
  const rows = [
    ...resultRows(snapshot, labels),
    ["Error", error ? errorLine(error) : ""],
    ["Attempts", attempts ? String(attempt) : ""],
    ["Failed attempts", attempts && failures ? `${failures} of ${Math.max(max_attempts, failures)}` : ""],
    ["Requested", formatTime(snapshot.created_at)],
    ["Started", formatTime(snapshot.started_at)],
    ["Finished", formatTime(snapshot.finished_at)],
    ["Task", snapshot.task_id],
  ];
  return rows.filter(([, value]) => value);
}

/**
 * The words of the link to a result that is kept apart, "" where the snapshot has it whole.
 *
 * @param {Snapshot} snapshot
 */
export function showAll({ result_size }) {
  return result_size ? `Show all (${formatSize(result_size)})` : "";
}

/**
 * @param {Snapshot} snapshot
 * @param {Labels} labels
 * @returns {[string, string][]}
 */
function resultRows(snapshot, labels) {
  const { result, result_size } = snapshot;
  if (result === undefined || result === null) return [];
  if (labels.result && typeof result === "object") {
    const values = /** @type {Record<string, unknown>} */ (result);
    return Object.entries(labels.result).map(([key, name]) => [name, inWords(values[key])]);
  }
  const isInLine = !result_size && shortResult(snapshot);
  return isInLine ? [] : [["Result", result_size ? String(result) : print(result)]];
}

/** @param {unknown} value */
function inWords(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "object" ? print(value) : String(value);
}

/**
 * An error as "type: message"; a message that names the type itself says enough.
 *
 * @param {{ type: string, message: string }} error
 */
function errorLine({ type, message }) {
  return message.startsWith(type) ? message : `${type}: ${message}`;
}
