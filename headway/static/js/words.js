/** How a task reads: signs, headlines, numbers and times as text. Pure: the time is an argument, in milliseconds. */

import { print } from "./exact.js";
import { percent } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").Phase} Phase
 * @typedef {import("./connection.js").ServerState} ServerState
 *
 * @typedef {object} Reading one task as the page shows it; empty strings for what there is nothing to say of
 * @property {string} sign
 * @property {string} figure beside the bar
 * @property {string} headline
 * @property {string} text
 * @property {string} numbers
 *
 * @typedef {"now" | "change" | "again" | "cancel"} Action what a person may do with a task
 *
 * @typedef {object} Circumstances
 * @property {number} now server time
 * @property {number | null} [workers] how many run; null or absent: not known
 * @property {ServerState["queues"]} [queues]
 * @property {ServerState["paused"]} [paused]
 * @property {number | null} [rate] units per second
 * @property {[number, number] | null} [left] least and most seconds to go
 */

const SPACE = "\u202f"; // narrow, and no line break
const MAIL = "send_async_email";
const LINE_CHARS = 80;
const WORKERLESS_MS = 5000;
const OVERDUE_SECONDS = 1; // past the estimate: with the last second before it, "~0:00 left" is shown for two
const UNAVAILABLE = "MailUnavailable"; // the type of an error that uses up no attempt: the mail server takes nothing
const PENDING = "Pending..."; // the article's word for a task that waits for its first worker

/** @type {Readonly<Record<Phase, string>>} */
export const SIGNS = {
  scheduled: "◷",
  queued: "○",
  running: "◐",
  retrying: "↻",
  cancelling: "◍",
  succeeded: "✓",
  failed: "✕",
  cancelled: "⊘",
};

export const MISSING = "No longer kept, or not yours";

/** Ends that need another sentence than the exception's own: by the error's type. */
const ENDS = /** @type {Record<string, string>} */ ({
  WorkerLost: "The worker that ran it was lost, and no try is left.",
  OutcomeUnknown: "The mail server may have taken it already. If you send it again, a second e-mail may arrive.",
  TimeLimitExceeded: "It ran over its time limit and was ended.",
});

/**
 * The phase in words, with its one number.
 *
 * @param {Snapshot} snapshot
 * @returns {string}
 */
export function headline(snapshot) {
  const { phase, attempt } = snapshot;
  const part = percent(snapshot);
  switch (phase) {
    case "scheduled":
      return "Scheduled";
    case "queued":
      return "Queued";
    case "running":
      return part === null ? "Running" : formatPercent(part);
    case "retrying":
      return isHeldUp(snapshot) ? "Waiting to send" : `Try ${nextTry(snapshot)}`;
    case "cancelling":
      return "Cancelling…";
    case "succeeded":
      return snapshot.name === MAIL ? "Accepted by the mail server" : doneIn(snapshot);
    case "failed":
      return attempt > 1 && !isHeldUp(snapshot) ? `Failed after ${attempt} tries` : "Failed";
    case "cancelled":
      if (!snapshot.started_at) return "Cancelled before it started";
      return part === null ? "Cancelled" : `Cancelled at ${formatPercent(part)}`;
  }
}

/**
 * What a person may do with a task now, in the words of its buttons.
 *
 * @param {Snapshot} snapshot
 * @returns {Partial<Record<Action, string>>}
 */
export function actions({ phase, error }) {
  switch (phase) {
    case "scheduled":
      return { now: "Run now", change: "Change", cancel: "Cancel" };
    case "queued":
    case "running":
      return { cancel: "Cancel" };
    case "retrying":
      return { now: "Retry now", cancel: "Cancel" };
    case "cancelling":
      return {};
    case "failed":
      return { again: error?.type === "OutcomeUnknown" ? "Send again" : "Retry" };
    case "succeeded":
    case "cancelled":
      return { again: "Run again" };
  }
}

/**
 * Why a task failed, in one plain sentence.
 *
 * @param {Snapshot} snapshot
 */
export function failure({ error }) {
  return ENDS[error?.type ?? ""] ?? error?.message ?? "";
}

/** @param {Snapshot} snapshot */
export function timeLabel({ name }) {
  return name === MAIL ? "Send at" : "Start at";
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
    sign: SIGNS[snapshot.phase],
    figure: counts ? formatPercent(part) : "",
    headline: lead(snapshot, at),
    text: text(snapshot, at),
    numbers: numbers(snapshot, at),
  };
}

/**
 * The headline, without the number that stands beside the bar, and with the time that runs.
 *
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 */
function lead(snapshot, { now }) {
  if (snapshot.phase === "running" && percent(snapshot) !== null) return "";
  if (snapshot.phase === "retrying") {
    const link = isHeldUp(snapshot) ? ", next attempt" : "";
    return `${headline(snapshot)}${link} ${countdown(snapshot.scheduled_for, now)}:`;
  }
  return headline(snapshot);
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @returns {string}
 */
function text(snapshot, { now, workers, queues, paused }) {
  switch (snapshot.phase) {
    case "scheduled":
      return `${snapshot.name === MAIL ? "sends" : "starts"} at ${formatTime(snapshot.scheduled_for)}`;
    case "queued": {
      const again = snapshot.status === PENDING ? "" : snapshot.status;
      if (paused) return "Paused: the data was restored from a backup. To go on: make resume";
      if (now - Date.parse(snapshot.updated_at) >= WORKERLESS_MS) {
        if (workers === 0) return joined([again, "No worker is running. Start one with: make worker"]);
        if (snapshot.queue !== null && queues?.[snapshot.queue]?.workers === 0) {
          return joined([again, `No worker takes the queue ${snapshot.queue}. Start one with: make worker`]);
        }
      }
      const ahead = snapshot.queue_position ? `${snapshot.queue_position} ahead` : "";
      return again || joined(["waiting for a worker", ahead]);
    }
    case "retrying":
      return snapshot.error?.message ?? "";
    case "failed":
      return failure(snapshot);
    case "succeeded":
      return joined([snapshot.name === MAIL ? "" : snapshot.status, shortResult(snapshot)]);
    case "cancelled":
      return headline(snapshot).startsWith(snapshot.status) ? "" : snapshot.status;
    default:
      return joined([formatStep(snapshot), snapshot.status]);
  }
}

/**
 * @param {Snapshot} snapshot
 * @param {Circumstances} at
 * @returns {string}
 */
function numbers(snapshot, { now, rate, left }) {
  switch (snapshot.phase) {
    case "scheduled":
      return countdown(snapshot.scheduled_for, now);
    case "retrying":
      return isHeldUp(snapshot)
        ? `next attempt at ${formatTime(snapshot.scheduled_for)}`
        : `retrying at ${formatTime(snapshot.scheduled_for)} (${nextTry(snapshot)})`;
    case "running":
      return joined([
        isNumbered(snapshot) ? "" : formatCount(snapshot),
        rate && !isNumbered(snapshot) ? formatRate(rate) : "",
        snapshot.started_at ? `${formatDuration(now - Date.parse(snapshot.started_at))} elapsed` : "",
        left ? formatLeft(left) : "",
      ]);
    case "succeeded":
      return snapshot.name === MAIL ? `in ${tookSeconds(snapshot)}` : "";
    default:
      return "";
  }
}

/**
 * What there is to say beyond a line, as pairs of name and value.
 *
 * @param {Snapshot} snapshot
 * @returns {[string, string][]}
 */
export function details(snapshot) {
  const { error, attempt, max_attempts } = snapshot;
  const { reply, message_id } = /** @type {{reply?: string, message_id?: string}} */ (isMail(snapshot) ? snapshot.result : {});
  /** @type {[string, string][]} */
  const rows = [
    ["Server’s reply", reply ?? ""],
    ["Message-ID", message_id ?? ""],
    ["Result", isMail(snapshot) ? "" : longResult(snapshot)],
    ["Error", error ? `${error.type}: ${error.message}` : ""],
    ["Tries", attempt && !isHeldUp(snapshot) ? `${attempt} of ${Math.max(max_attempts, attempt)}` : ""],
    ["Requested", formatTime(snapshot.created_at)],
    ["Started", formatTime(snapshot.started_at)],
    ["Finished", formatTime(snapshot.finished_at)],
    ["Task", snapshot.task_id],
  ];
  return rows.filter(([, value]) => value);
}

/**
 * Whether the task was an e-mail that a mail server took.
 *
 * @param {Snapshot} snapshot
 */
export function isMail({ name, result }) {
  return name === MAIL && typeof result === "object" && result !== null;
}

/**
 * Whether an email waits, or has waited in vain, for a mail server that takes none: such runs count for no attempt.
 *
 * @param {Snapshot} snapshot
 */
function isHeldUp({ error }) {
  return error?.type === UNAVAILABLE;
}

/** @param {Snapshot} snapshot */
function nextTry({ attempt, max_attempts }) {
  return `${attempt + 1} of ${Math.max(max_attempts, attempt + 1)}`; // planned stops make tries beyond the limit
}

/** @param {string | null} due @param {number} now */
function countdown(due, now) {
  if (!due) return "";
  const ms = Date.parse(due) - now;
  return ms > 0 ? `in ${formatDuration(ms)}` : "at any moment";
}

/** @param {Snapshot} snapshot */
function doneIn(snapshot) {
  return snapshot.started_at ? `Done in ${tookSeconds(snapshot)}` : "Done";
}

/**
 * From the start of the last attempt to the end: "32 ms", "0.4 s", "12.4 s", "2:05".
 *
 * @param {Snapshot} snapshot
 */
function tookSeconds({ started_at, finished_at, updated_at }) {
  const ms = Date.parse(finished_at ?? updated_at) - Date.parse(started_at ?? updated_at);
  if (ms < 100) return `${Math.max(0, ms)}${SPACE}ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)}${SPACE}s` : formatDuration(ms);
}

/**
 * A result that fits in a line, or the beginning of one that is kept apart; others belong to the details.
 *
 * @param {Snapshot} snapshot
 */
function shortResult({ result, result_size }) {
  if (!["number", "bigint", "boolean", "string"].includes(typeof result)) return "";
  const words = String(result);
  if (words.length <= LINE_CHARS) return `Result: ${words}`;
  return result_size ? `Result: ${words.slice(0, LINE_CHARS - 1)}…` : "";
}

/** @param {Snapshot} snapshot */
function longResult(snapshot) {
  const { result, result_size } = snapshot;
  if (result === undefined || result === null) return "";
  if (result_size) return String(result);
  return shortResult(snapshot) ? "" : print(result);
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
 * "900 B", "12 kB", "1.5 MB", "20 MB".
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  if (bytes < 1000) return `${bytes}${SPACE}B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)}${SPACE}kB`;
  const megabytes = bytes / 1_000_000;
  return `${megabytes < 9.95 ? megabytes.toFixed(1) : Math.round(megabytes)}${SPACE}MB`;
}

/** @param {number} part */
export function formatPercent(part) {
  return `${part}${SPACE}%`;
}

/**
 * "m:ss", from an hour on "h:mm:ss".
 *
 * @param {number} ms less than nothing counts as nothing
 */
export function formatDuration(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds)}` : `${minutes}:${pad(seconds)}`;
}

/**
 * The time of day in the reader's own zone, with the date when it is another day's.
 *
 * @param {string | number | null} time
 * @param {number} [now]
 */
export function formatTime(time, now = Date.now()) {
  if (time === null) return "";
  const date = new Date(time);
  const clock = date.toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return date.toDateString() === new Date(now).toDateString() ? clock : `${date.toLocaleDateString()} ${clock}`;
}

/**
 * The footer: how many workers and slots there are, what waits, and which queues wait for a worker of their own.
 *
 * @param {ServerState} server
 */
export function serverWords({ workers, slots, queued, queues, paused }) {
  if (workers === null || slots === null || queues === null) return "";
  const untaken = Object.keys(queues).filter((name) => queues[name].queued && !queues[name].workers);
  return joined([
    counted(workers, "worker"),
    counted(slots, "slot"),
    `queue ${queued}`,
    paused ? "paused: see make paused" : "",
    untaken.length ? `no worker takes ${untaken.join(", ")}` : "",
  ]);
}

/** @param {number} n @param {string} noun */
function counted(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** @param {number} rate per second */
export function formatRate(rate) {
  if (rate >= 10) return `${grouped(Math.round(rate))}/s`;
  return rate >= 0.1 ? `${rate.toFixed(1)}/s` : `${(rate * 60).toFixed(1)}/min`;
}

/** @param {[number, number]} seconds least and most; below nothing where it takes longer than expected */
export function formatLeft([least, most]) {
  if (most < -OVERDUE_SECONDS) return "longer than usual";
  const [from, to] = [formatDuration(least * 1000), formatDuration(most * 1000)];
  return from === to ? `~${to} left` : `~${from}–${to} left`;
}

/**
 * The step with its own numbers, unless the bar has just these.
 *
 * @param {Snapshot} snapshot
 */
function formatStep(snapshot) {
  const { step, current, total } = snapshot;
  if (!step) return "";
  const place = isNumbered(snapshot) ? `step ${step.index}/${step.count}` : "";
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

/** @param {{current: number, total: number | null}} part */
function formatCount({ current, total }) {
  if (total === null) return current ? grouped(current) : "";
  return total > 1 ? `${grouped(current)}${SPACE}/${SPACE}${grouped(total)}` : "";
}

/** @param {number} number */
function grouped(number) {
  const [whole, rest] = String(Number(number.toFixed(2))).split(".");
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, SPACE);
  return rest ? `${digits}.${rest}` : digits;
}

/** @param {string[]} parts */
function joined(parts) {
  return parts.filter(Boolean).join(" · ");
}
