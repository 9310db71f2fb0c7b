/** A task's phase, its end and its actions in words. Pure. */

import WORDS from "./card-words.js";
import { counted, fill, formatPercent, formatTook, joined } from "./format.js";
import { translated } from "./language.js";
import { FINAL, PARTS_FAILED, openParts, percent } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Labels what a task's registration says instead of the usual words
 * @property {string} [starts] the verb before a time: "sends" at 14:03:20
 * @property {string} [succeeded] the headline of success
 * @property {Record<string, string>} [errors] by an error's type, why it failed
 * @property {Record<string, string>} [again] by an error's type, the button that runs it again
 * @property {Record<string, string>} [waiting] by the type of an error that uses up no attempt, the
 *   headline until the next one
 * @property {Record<string, string>} [result] by a key of the result, its name in the details
 * @property {boolean} [pauses] whether a run that is cancelled can go on where it was: then people pause it
 *
 * @typedef {"now" | "change" | "go_on" | "again" | "cancel" | "forget"} Action what a person may do with a task
 */

const LINE_CHARS = 80;
const MAX_COLUMNS = 100;

const HEADLINES = WORDS.headlines;
const TEXTS = WORDS.texts;
const ERRORS = /** @type {Record<string, string>} */ (WORDS.errors);

/**
 * Why a task is not shown.
 *
 * @param {boolean} isForgotten
 * @param {string} token by which it was read
 */
export function whyMissing(isForgotten, token) {
  if (isForgotten) return WORDS.forgotten;
  return token ? WORDS.link_ended : WORDS.missing;
}

/**
 * What the tab of a list says of it.
 *
 * @param {number} running how many tasks run
 * @param {number} failed how many failed while nobody looked
 * @param {number} asked how many began to wait for an answer, or reminded of it, while nobody looked
 */
export function tabWords(running, failed, asked) {
  const parts = [
    asked && `${WORDS.signs.waiting} ${fill(WORDS.tab.asked, { count: asked })}`,
    failed && `${WORDS.signs.failed} ${fill(WORDS.tab.failed, { count: failed })}`,
    running && fill(WORDS.tab.running, { count: running }),
  ];
  return parts.filter(Boolean).join(", ");
}

/**
 * The phase in words, with its one number.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 * @returns {string}
 */
export function headline(snapshot, labels = {}) {
  const { phase, failures, error, parts } = snapshot;
  const part = percent(snapshot);
  switch (phase) {
    case "running":
      return part === null ? HEADLINES.running : formatPercent(part);
    case "retrying":
      return waiting(snapshot, labels) || fill(HEADLINES.retrying, nextAttempt(snapshot));
    case "succeeded":
      if (labels.succeeded) return labels.succeeded;
      return snapshot.attempt === 1 ? fill(HEADLINES.succeeded_in, { time: took(snapshot) }) : HEADLINES.succeeded;
    case "failed":
      if (parts && error?.type === PARTS_FAILED) return fill(HEADLINES.parts_failed, { failed: parts.failed, count: parts.count });
      return failures > 1 && !waiting(snapshot, labels) ? fill(HEADLINES.failed_again, { failures }) : HEADLINES.failed;
    case "cancelled":
      return cancelled(snapshot, part, Boolean(labels.pauses && snapshot.resume));
    case "cancelling":
      return labels.pauses ? HEADLINES.pausing : HEADLINES.cancelling;
    case "scheduled":
    case "queued":
    case "waiting":
      return HEADLINES[phase];
    default:
      return capitalized(phase); // another version's
  }
}

/** @param {Snapshot} snapshot @param {number | null} part @param {boolean} isPaused */
function cancelled({ started_at, resume }, part, isPaused) {
  if (!started_at) return HEADLINES.cancelled_unstarted;
  const { cancelled, cancelled_at, paused, paused_at } = HEADLINES;
  const at = part ?? (isPaused ? (resume?.percent ?? null) : null); // its next run had not said where it is
  if (at === null) return isPaused ? paused : cancelled;
  return fill(isPaused ? paused_at : cancelled_at, { percent: formatPercent(at) });
}

/**
 * What a person may do with a task now, in the words of its buttons.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 * @returns {Partial<Record<Action, string>>}
 */
export function actions(snapshot, labels = {}) {
  const { phase, error, resume } = snapshot;
  const { now, retry_now, change, cancel, pause, again, retry, forget } = WORDS.actions;
  const stop = labels.pauses ? pause : cancel;
  if (openParts(snapshot) && FINAL.has(phase)) return { cancel };
  if (resume) return { ...bothWays(resume), forget };
  switch (phase) {
    case "scheduled":
      return { now, change, cancel };
    case "queued":
    case "waiting":
      return { cancel };
    case "running":
      return { cancel: stop };
    case "retrying":
      return { now: retry_now, cancel: stop };
    case "failed":
      return { again: labels.again?.[error?.type ?? ""] ?? retry, forget };
    case "succeeded":
    case "cancelled":
      return { again, forget };
    default:
      return {};
  }
}

/**
 * The buttons of a task that can go on where it was saved.
 *
 * @param {{percent: number | null}} resume
 */
function bothWays({ percent }) {
  const { go_on, go_on_at, start_over } = WORDS.actions;
  return { go_on: percent === null ? go_on : fill(go_on_at, { percent }), again: start_over };
}

/**
 * The words of the button that cancels a task, and its parts with it.
 *
 * @param {Snapshot} snapshot
 */
export function cancelWords(snapshot) {
  const count = openParts(snapshot);
  const { cancel, cancel_all, sure } = WORDS.actions;
  return count ? fill(sure, { words: counted(cancel_all, count) }) : cancel;
}

/**
 * How the parts of a task are doing; "" where it has none, or the headline says it.
 *
 * @param {Snapshot} snapshot
 */
export function partsWords({ parts, error }) {
  if (!parts || error?.type === PARTS_FAILED) return "";
  const { count, ended, failed, waiting: asking, first_failed } = parts;
  const { open, ended: all, failed: some, waiting: ask } = WORDS.parts;
  return joined([
    ended < count ? fill(open, { ended, count }) : counted(all, count),
    failed ? fill(some, { failed, title: first_failed?.title ?? "" }) : "",
    asking ? fill(ask, { waiting: asking }) : "",
  ]);
}

/**
 * Why a task failed, in one plain sentence.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 */
export function failure({ error }, labels = {}) {
  const type = error?.type ?? "";
  return labels.errors?.[type] ?? ERRORS[type] ?? translated(error?.message ?? "");
}

/**
 * The name of the field for another time.
 *
 * @param {Labels} [labels]
 */
export function timeLabel({ starts = WORDS.starts } = {}) {
  return fill(WORDS.time_form.label, { starts: capitalized(starts) });
}

/**
 * A result that fits in a line, or the beginning of one that is kept apart; others belong to the
 * details.
 *
 * @param {Snapshot} snapshot
 */
export function shortResult(snapshot) {
  const { result, result_size } = snapshot;
  const rows = countRows(snapshot);
  if (rows) return counted(TEXTS.rows, rows);
  if (!["number", "bigint", "boolean", "string"].includes(typeof result)) return "";
  const whole = String(result);
  if (whole.length <= LINE_CHARS) return fill(TEXTS.result, { result: whole });
  return result_size ? fill(TEXTS.result, { result: `${whole.slice(0, LINE_CHARS - 1)}…` }) : "";
}

/**
 * How many rows a result has that is a table, as headway/display/tables.py counts them; 0 for any other.
 *
 * @param {Snapshot} snapshot
 */
export function countRows({ result, result_size }) {
  if (result_size !== null) return typeof result === "string" ? Number(/^(\d{1,9}) rows…$/.exec(result)?.[1] ?? 0) : 0;
  const isOfObjects = (/** @type {unknown} */ row) => typeof row === "object" && row !== null && !Array.isArray(row);
  if (!Array.isArray(result) || !result.every(isOfObjects)) return 0;
  const columns = new Set(result.flatMap(Object.keys)).size;
  return columns && columns <= MAX_COLUMNS ? result.length : 0;
}

/**
 * The headline of a task that waits, or has waited in vain, for what takes nothing now: such runs
 * count for no attempt. "" for all others.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} labels
 */
export function waiting({ error }, labels) {
  return labels.waiting?.[error?.type ?? ""] ?? "";
}

/** @param {Snapshot} snapshot */
function nextAttempt({ failures, max_attempts }) {
  const next = failures + 1; // runs that stopped to ask, or with their worker, are no failed attempts
  return { attempt: next, attempts: Math.max(max_attempts, next) };
}

/**
 * From the start to the end, of a task with one attempt: when the first of several began a snapshot does not say, and
 * only when the task was requested is sure.
 *
 * @param {Snapshot} snapshot
 * @param {string | null} [from]
 */
export function took({ started_at, finished_at, updated_at }, from = started_at) {
  return formatTook(Date.parse(finished_at ?? updated_at) - Date.parse(from ?? updated_at));
}

/** @param {string} word */
function capitalized(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
