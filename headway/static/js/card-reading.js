/** How a card reads, line by line. Pure: the time is an argument, in milliseconds. */

import WORDS from "./card-words.js";
import {
  counted,
  fill,
  formatCount,
  formatDuration,
  formatLeft,
  formatPercent,
  formatRate,
  formatTime,
  joined,
} from "./format.js";
import { translated } from "./language.js";
import { asShown, percent } from "./snapshot.js";
import { failure, headline, partsWords, shortResult, took, waiting } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./server.js").ServerState} ServerState
 * @typedef {import("./words.js").Labels} Labels
 *
 * @typedef {object} Reading one task as the page shows it; empty strings for what there is nothing
 *   to say of
 * @property {string} sign
 * @property {string} figure beside the bar
 * @property {string} headline
 * @property {string} text
 * @property {string} numbers
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
const DAY_MS = 86_400_000;
const MIN_DAYS = 2; // that are counted as days: before that, hours
const CANCELLED = "Cancelled"; // the server's status, which the headline says better
const PENDING = "Pending..."; // the article's word for a task that waits for its first worker

export const SIGNS = /** @type {Record<string, string>} */ (WORDS.signs);
const TEXTS = WORDS.texts;

/**
 * @param {Snapshot} known
 * @param {Circumstances} at
 * @returns {Reading}
 */
export function read(known, at) {
  const snapshot = asShown(known);
  const isOfParts = snapshot !== known;
  const part = percent(snapshot);
  const counts = part !== null && (part > 0 || snapshot.phase === "running");
  return {
    sign: SIGNS[snapshot.phase] ?? WORDS.unknown_sign,
    figure: counts ? formatPercent(part) : "",
    headline: lead(snapshot, at),
    text: joined([partsWords(snapshot), text(snapshot, at)]),
    numbers: numbers(snapshot, at, isOfParts || isNumbered(snapshot)),
  };
}

/**
 * The headline, without the number that stands beside the bar, and with the time that runs.
 *
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 */
function lead(snapshot, at) {
  const { now, labels = {} } = at;
  if (snapshot.phase === "running" && percent(snapshot) !== null) return "";
  if (snapshot.phase === "retrying") {
    const { retrying, waiting: other, plain } = WORDS.leads;
    const words = { headline: headline(snapshot, labels), countdown: countdown(snapshot.scheduled_for, now) };
    const said = fill(waiting(snapshot, labels) ? other : retrying, words);
    return text(snapshot, at) ? fill(plain, { headline: said }) : said;
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
  const { phase } = snapshot;
  const status = translated(snapshot.status);
  switch (phase) {
    case "scheduled": {
      const { starts = WORDS.starts } = labels;
      return fill(TEXTS.scheduled, { starts, time: formatTime(snapshot.scheduled_for) });
    }
    case "queued":
      return queuedText(snapshot, at);
    case "retrying":
      return translated(snapshot.error?.message ?? "");
    case "waiting":
      return translated(snapshot.question?.text ?? "");
    case "failed":
      return failure(snapshot, labels);
    case "succeeded":
      return joined([status === labels.succeeded ? "" : status, shortResult(snapshot)]);
    case "cancelled":
      return snapshot.status === CANCELLED ? "" : status;
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
  const again = status === PENDING ? "" : translated(status);
  if (paused) return sentences(TEXTS.paused, hints.resume);
  if (now - Date.parse(snapshot.updated_at) >= WORKERLESS_MS) {
    if (workers === 0) return joined([again, sentences(TEXTS.no_worker, hints.worker)]);
    if (queue !== null && queues?.[queue]?.workers === 0) {
      return joined([again, sentences(fill(TEXTS.no_worker_for_queue, { queue }), hints.worker)]);
    }
  }
  const count = snapshot.queue_position;
  return joined([again || TEXTS.queued, count ? fill(TEXTS.ahead, { count }) : ""]);
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @param {boolean} isOfAll whether its numbers are of several together, which a rate says nothing of
 * @returns {string}
 */
function numbers(snapshot, { now, rate, left, labels = {} }, isOfAll) {
  const time = formatTime(snapshot.scheduled_for);
  switch (snapshot.phase) {
    case "scheduled":
      return countdown(snapshot.scheduled_for, now);
    case "retrying":
      return waiting(snapshot, labels)
        ? fill(WORDS.numbers.waiting, { time })
        : fill(WORDS.numbers.retrying, { time });
    case "waiting": {
      const until = formatTime(snapshot.question?.expires_at ?? null);
      return until && fill(WORDS.numbers.until, { time: until });
    }
    case "running":
      return joined([
        isOfAll ? "" : formatCount(snapshot),
        rate && !isOfAll ? formatRate(rate) : "",
        snapshot.started_at ? elapsed(now - Date.parse(snapshot.started_at)) : "",
        left ? formatLeft(left) : "",
      ]);
    case "succeeded":
      if (snapshot.attempt > 1) return fill(WORDS.numbers.in_all, { time: took(snapshot, snapshot.created_at) });
      return labels.succeeded && snapshot.attempt ? fill(WORDS.numbers.succeeded_in, { time: took(snapshot) }) : "";
    default:
      return "";
  }
}

/** @param {string | null} due @param {number} now */
function countdown(due, now) {
  if (!due) return "";
  const ms = Date.parse(due) - now;
  if (ms >= MIN_DAYS * DAY_MS) return counted(WORDS.countdown.days, Math.round(ms / DAY_MS));
  return ms > 0 ? fill(WORDS.countdown.in, { time: formatDuration(ms) }) : WORDS.countdown.now;
}

/** @param {number} ms */
function elapsed(ms) {
  return fill(WORDS.numbers.elapsed, { time: formatDuration(ms) });
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
