/** How a task reads, by its phase. Pure: the time is an argument, in milliseconds. */

import WORDS from "./card-words.js";
import {
  fill,
  formatCount,
  formatDuration,
  formatLeft,
  formatPercent,
  formatRate,
  formatTime,
  formatTook,
  joined,
} from "./format.js";
import { percent } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").ServerState} ServerState
 *
 * @typedef {object} Labels what a task's registration says instead of the usual words
 * @property {string} [starts] the verb before a time: "sends" at 14:03:20
 * @property {string} [succeeded] the headline of success
 * @property {Record<string, string>} [errors] by an error's type, why it failed
 * @property {Record<string, string>} [again] by an error's type, the button that runs it again
 * @property {Record<string, string>} [waiting] by the type of an error that uses up no attempt, the
 *   headline until the next one
 * @property {Record<string, string>} [result] by a key of the result, its name in the details
 *
 * @typedef {object} Reading one task as the page shows it; empty strings for what there is nothing
 *   to say of
 * @property {string} sign
 * @property {string} figure beside the bar
 * @property {string} headline
 * @property {string} text
 * @property {string} numbers
 *
 * @typedef {"now" | "change" | "again" | "cancel"} Action what a person may do with a task
 *
 * @typedef {{worker?: string, resume?: string}} Hints how to start a worker, and to go on
 *
 * @typedef {object} Circumstances
 * @property {number} now server time
 * @property {Labels} [labels]
 * @property {Hints} [hints]
 * @property {number | null} [workers] how many run; null or absent: not known
 * @property {ServerState["queues"]} [queues]
 * @property {ServerState["paused"]} [paused]
 * @property {number | null} [rate] units per second
 * @property {[number, number] | null} [left] least and most seconds to go
 */

const WORKERLESS_MS = 5000;
const LINE_CHARS = 80;
const PENDING = "Pending..."; // the article's word for a task that waits for its first worker

export const MISSING = WORDS.missing;
export const SIGNS = /** @type {Record<string, string>} */ (WORDS.signs);
const HEADLINES = WORDS.headlines;
const TEXTS = WORDS.texts;
const ERRORS = /** @type {Record<string, string>} */ (WORDS.errors);

/**
 * The phase in words, with its one number.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 * @returns {string}
 */
export function headline(snapshot, labels = {}) {
  const { phase, attempt } = snapshot;
  const part = percent(snapshot);
  switch (phase) {
    case "running":
      return part === null ? HEADLINES.running : formatPercent(part);
    case "retrying":
      return waiting(snapshot, labels) || fill(HEADLINES.retrying, nextAttempt(snapshot));
    case "succeeded":
      if (labels.succeeded) return labels.succeeded;
      return snapshot.started_at ? fill(HEADLINES.succeeded_in, { time: took(snapshot) }) : HEADLINES.succeeded;
    case "failed":
      return attempt > 1 && !waiting(snapshot, labels) ? fill(HEADLINES.failed_again, { attempt }) : HEADLINES.failed;
    case "cancelled":
      if (!snapshot.started_at) return HEADLINES.cancelled_unstarted;
      return part === null ? HEADLINES.cancelled : fill(HEADLINES.cancelled_at, { percent: formatPercent(part) });
    case "scheduled":
    case "queued":
    case "cancelling":
      return HEADLINES[phase];
    default:
      return capitalized(phase); // another version's
  }
}

/**
 * What a person may do with a task now, in the words of its buttons.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 * @returns {Partial<Record<Action, string>>}
 */
export function actions({ phase, error }, labels = {}) {
  const { now, retry_now, change, cancel, again, retry } = WORDS.actions;
  switch (phase) {
    case "scheduled":
      return { now, change, cancel };
    case "queued":
    case "running":
      return { cancel };
    case "retrying":
      return { now: retry_now, cancel };
    case "failed":
      return { again: labels.again?.[error?.type ?? ""] ?? retry };
    case "succeeded":
    case "cancelled":
      return { again };
    default:
      return {};
  }
}

/**
 * Why a task failed, in one plain sentence.
 *
 * @param {Snapshot} snapshot
 * @param {Labels} [labels]
 */
export function failure({ error }, labels = {}) {
  const type = error?.type ?? "";
  return labels.errors?.[type] ?? ERRORS[type] ?? error?.message ?? "";
}

/**
 * The name of the field for another time.
 *
 * @param {Labels} [labels]
 */
export function timeLabel({ starts = WORDS.starts } = {}) {
  return `${capitalized(starts)} at`;
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @returns {Reading}
 */
export function read(snapshot, at) {
  const part = percent(snapshot);
  const counts = part !== null && (part > 0 || snapshot.phase === "running");
  return {
    sign: SIGNS[snapshot.phase] ?? WORDS.unknown_sign,
    figure: counts ? formatPercent(part) : "",
    headline: lead(snapshot, at),
    text: text(snapshot, at),
    numbers: numbers(snapshot, at),
  };
}

/**
 * A result that fits in a line, or the beginning of one that is kept apart; others belong to the
 * details.
 *
 * @param {Snapshot} snapshot
 */
export function shortResult({ result, result_size }) {
  if (!["number", "bigint", "boolean", "string"].includes(typeof result)) return "";
  const whole = String(result);
  if (whole.length <= LINE_CHARS) return fill(TEXTS.result, { result: whole });
  return result_size ? fill(TEXTS.result, { result: `${whole.slice(0, LINE_CHARS - 1)}…` }) : "";
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

/**
 * The headline, without the number that stands beside the bar, and with the time that runs.
 *
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 */
function lead(snapshot, { now, labels = {} }) {
  if (snapshot.phase === "running" && percent(snapshot) !== null) return "";
  if (snapshot.phase === "retrying") {
    const link = waiting(snapshot, labels) ? ", next attempt" : "";
    return `${headline(snapshot, labels)}${link} ${countdown(snapshot.scheduled_for, now)}:`;
  }
  return headline(snapshot, labels);
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @returns {string}
 */
function text(snapshot, at) {
  const { labels = {} } = at;
  const { phase, status } = snapshot;
  switch (phase) {
    case "scheduled": {
      const { starts = WORDS.starts } = labels;
      return fill(TEXTS.scheduled, { starts, time: formatTime(snapshot.scheduled_for) });
    }
    case "queued":
      return queuedText(snapshot, at);
    case "retrying":
      return snapshot.error?.message ?? "";
    case "failed":
      return failure(snapshot, labels);
    case "succeeded":
      return joined([status === labels.succeeded ? "" : status, shortResult(snapshot)]);
    case "cancelled":
      return headline(snapshot).startsWith(status) ? "" : status;
    default:
      return joined([stepText(snapshot), status]);
  }
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 */
function queuedText(snapshot, { now, workers, queues, paused, hints = {} }) {
  const { status, queue } = snapshot;
  const again = status === PENDING ? "" : status;
  if (paused) return sentences(TEXTS.paused, hints.resume);
  if (now - Date.parse(snapshot.updated_at) >= WORKERLESS_MS) {
    if (workers === 0) return joined([again, sentences(TEXTS.no_worker, hints.worker)]);
    if (queue !== null && queues?.[queue]?.workers === 0) {
      return joined([again, sentences(fill(TEXTS.no_worker_for_queue, { queue }), hints.worker)]);
    }
  }
  const count = snapshot.queue_position;
  return again || joined([TEXTS.queued, count ? fill(TEXTS.ahead, { count }) : ""]);
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @returns {string}
 */
function numbers(snapshot, { now, rate, left, labels = {} }) {
  const time = formatTime(snapshot.scheduled_for);
  switch (snapshot.phase) {
    case "scheduled":
      return countdown(snapshot.scheduled_for, now);
    case "retrying":
      return waiting(snapshot, labels)
        ? fill(WORDS.numbers.waiting, { time })
        : fill(WORDS.numbers.retrying, { time });
    case "running":
      return joined([
        isNumbered(snapshot) ? "" : formatCount(snapshot),
        rate && !isNumbered(snapshot) ? formatRate(rate) : "",
        snapshot.started_at ? `${formatDuration(now - Date.parse(snapshot.started_at))} elapsed` : "",
        left ? formatLeft(left) : "",
      ]);
    case "succeeded":
      return labels.succeeded ? fill(WORDS.numbers.succeeded_in, { time: took(snapshot) }) : "";
    default:
      return "";
  }
}

/** @param {Snapshot} snapshot */
function nextAttempt({ attempt, max_attempts }) {
  const next = attempt + 1;
  return { attempt: next, attempts: Math.max(max_attempts, next) }; // planned stops go beyond the limit
}

/** @param {string | null} due @param {number} now */
function countdown(due, now) {
  if (!due) return "";
  const ms = Date.parse(due) - now;
  return ms > 0 ? `in ${formatDuration(ms)}` : "at any moment";
}

/**
 * From the start of the last attempt to the end.
 *
 * @param {Snapshot} snapshot
 */
function took({ started_at, finished_at, updated_at }) {
  return formatTook(Date.parse(finished_at ?? updated_at) - Date.parse(started_at ?? updated_at));
}

/**
 * The step with its own numbers, unless the bar has just these.
 *
 * @param {Snapshot} snapshot
 */
function stepText(snapshot) {
  const { step, current, total } = snapshot;
  if (!step) return "";
  const { index, count } = step;
  const place = index && count ? fill(TEXTS.step, { index, count }) : "";
  const isBar = !place && step.current === current && step.total === total;
  return [place, step.name, isBar ? "" : formatCount(step)].filter(Boolean).join(" ");
}

/**
 * Whether the task's own numbers are of all steps together.
 *
 * @param {Snapshot} snapshot
 */
function isNumbered({ step }) {
  return Boolean(step?.index && step.count);
}

/** @param {string} sentence @param {string} [hint] */
function sentences(sentence, hint = "") {
  return hint ? `${sentence} ${hint}` : sentence;
}

/** @param {string} word */
function capitalized(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
