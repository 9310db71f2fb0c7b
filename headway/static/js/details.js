/** What there is to say of a task beyond a line. Pure. */

import { print } from "./exact.js";
import WORDS from "./card-words.js";
import { fill, formatSize, formatTime } from "./format.js";
import { countRows, shortResult, waiting } from "./words.js";

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
  const names = WORDS.details;
  const of = { failures, attempts: Math.max(max_attempts, failures) };
  /** @type {[string, string][]} */
  const rows = [
    ...resultRows(snapshot, labels),
    [names.error, error ? errorLine(error) : ""],
    [names.attempts, attempts ? String(attempt) : ""],
    [names.failed_attempts, attempts && failures ? fill(names.of_attempts, of) : ""],
    [names.requested, formatTime(snapshot.created_at)],
    [attempt > 1 ? names.last_started : names.started, formatTime(snapshot.started_at)],
    [names.finished, formatTime(snapshot.finished_at)],
    [names.task, snapshot.task_id],
  ];
  return rows.filter(([, value]) => value);
}

/**
 * The words of the link to a result that is kept apart, "" where the snapshot has it whole.
 *
 * @param {Snapshot} snapshot
 */
export function showAll({ result_size }) {
  return result_size ? fill(WORDS.card.show_all, { size: formatSize(result_size) }) : "";
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
  const isInLine = countRows(snapshot) || (!result_size && shortResult(snapshot));
  return isInLine ? [] : [[WORDS.details.result, result_size ? String(result) : print(result)]];
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
