/**
 * What is known of a task at one moment: its shape, and the rules that every reader follows. Pure.
 *
 * @typedef {"scheduled" | "queued" | "running" | "retrying" | "waiting" | "cancelling" | "succeeded" | "failed" | "cancelled"} Phase
 *
 * @typedef {object} Snapshot
 * @property {string} task_id
 * @property {string} name registered name of the task
 * @property {string} title
 * @property {"PENDING" | "PROGRESS" | "SUCCESS" | "FAILURE" | "REVOKED"} state
 * @property {Phase} phase
 * @property {number} current
 * @property {number | null} total null: unknown
 * @property {string} status
 * @property {Step | null} step
 * @property {unknown} [result] the key is there in succeeded only
 * @property {number | null} result_size bytes of the whole, where `result` is a preview of it
 * @property {{type: string, message: string} | null} error in failed and retrying only
 * @property {number} attempt 0 until a worker takes the task
 * @property {number} max_attempts
 * @property {number} version
 * @property {number | null} queue_position how many are ahead, while queued
 * @property {string | null} queue its name, while queued
 * @property {string | null} parent_id the task that started this one
 * @property {Parts | null} parts the tasks that it started
 * @property {string} created_at times are RFC 3339
 * @property {string | null} scheduled_for
 * @property {string | null} started_at
 * @property {string} updated_at
 * @property {string | null} finished_at
 * @property {Record<string, {length: number, closed: boolean, epoch: number, format?: "markdown", file?: string}>} streams by name, see task-stream.js
 * @property {Question | null} question while waiting
 * @property {number} failures how many attempts have failed
 * @property {{percent: number | null, task_id?: string} | null} resume where one that failed or was cancelled can go on, and
 *   which task has
 * @property {{count: number, first: {name: string, size: number}[]} | null} files that it has given out
 *
 * @typedef {object} Parts of a task: how many there are of which kind
 * @property {number} count
 * @property {number} ended failed ones among them
 * @property {number} failed
 * @property {number} waiting ask a person
 * @property {number} progress of all together, 0 to 1
 * @property {{task_id: string, title: string, error: {type: string, message: string} | null} | null} first_failed
 *
 * @typedef {object} Question what the task asks a person
 * @property {string} id
 * @property {string} text
 * @property {(string | number)[] | null} choices
 * @property {object | null} schema JSON Schema of the answer; without choices and schema it is any text
 * @property {string} asked_at
 * @property {string | null} expires_at
 * @property {string | null} reminded_at
 *
 * @typedef {object} Step of the task's work, with numbers of its own
 * @property {number | null} index
 * @property {number | null} count with an index: the task's `current` and `total` are of all steps together
 * @property {string} name
 * @property {number} current
 * @property {number | null} total
 *
 * @typedef {{seq: number, at: string, level: string, text: string}} LogLine
 */

/** @type {ReadonlySet<string>} */
export const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** The type of the error of a task whose own work is done, but not that of its parts. */
export const PARTS_FAILED = "PartsFailed";

/** What the keys are that a server of another version leaves out. */
const BLANK = {
  version: 0,
  name: "",
  status: "",
  step: null,
  result_size: null,
  error: null,
  attempt: 0,
  max_attempts: 1,
  queue_position: null,
  queue: null,
  parent_id: null,
  parts: null,
  created_at: "",
  scheduled_for: null,
  started_at: null,
  updated_at: "",
  finished_at: null,
  streams: {},
  question: null,
  failures: 0,
  resume: null,
  files: null,
};
const BLANK_STEP = { index: null, count: null, name: "", current: 0, total: null };
const KEYS = Object.keys(BLANK);
const STEP_KEYS = Object.keys(BLANK_STEP);

/**
 * Whether there is no more to come of a task and of its parts.
 *
 * @param {Snapshot} snapshot also one in a phase of another version
 */
export function isFinal({ phase, finished_at, parts }) {
  return (FINAL.has(phase) || Boolean(finished_at)) && !openParts({ parts });
}

/** How many parts of a task have not ended. @param {Pick<Snapshot, "parts">} snapshot */
export function openParts({ parts }) {
  return parts ? parts.count - parts.ended : 0;
}

/**
 * A task as a person sees it, one with its parts: it goes on while they do, has failed where they have, and where it
 * does not say itself how far it is, they do.
 *
 * @param {Snapshot} snapshot
 * @returns {Snapshot}
 */
export function asShown(snapshot) {
  const { phase, parts, current, total, updated_at } = snapshot;
  if (!parts) return snapshot;
  const goesOn = phase === "succeeded" && openParts(snapshot) > 0;
  if (goesOn || (phase === "running" && current === 0 && total === 1)) {
    const { progress } = parts;
    return { ...snapshot, phase: "running", state: "PROGRESS", current: progress, total: 1, finished_at: null };
  }
  if (phase !== "succeeded" || !parts.failed) return snapshot;
  const error = { type: PARTS_FAILED, message: firstFailed(parts) };
  return { ...snapshot, phase: "failed", state: "FAILURE", error, finished_at: updated_at };
}

/** @param {Parts} parts */
function firstFailed({ first_failed }) {
  return [first_failed?.title, first_failed?.error?.message].filter(Boolean).join(": ");
}

/**
 * Whether `next` replaces `prev`. The place in the queue and the lengths of streams change without another version, so
 * there other ones are a fresher reading.
 *
 * @param {Snapshot} next
 * @param {Snapshot | null} prev
 */
export function isNewer(next, prev) {
  if (!prev || next.version !== prev.version) return !prev || next.version > prev.version;
  return next.queue_position !== prev.queue_position || JSON.stringify(next.streams) !== JSON.stringify(prev.streams);
}

/**
 * A snapshot with all its keys, and with the bar's numbers as numbers, however many digits they
 * came with.
 *
 * @param {Partial<Snapshot> & {task_id: string}} raw
 * @returns {Snapshot}
 */
export function normalize(raw) {
  return isWhole(raw) ? /** @type {Snapshot} */ (raw) : completed(raw);
}

/**
 * Whether a snapshot is as this version's server writes it: nearly all are, and a copy of each would be waste.
 *
 * @param {any} raw
 */
function isWhole(raw) {
  const { title, state, phase, current, total, step } = raw;
  if (!title || !state || !phase || typeof current !== "number" || !isNumberOrNull(total)) return false;
  return KEYS.every((key) => key in raw) && (step === null || STEP_KEYS.every((key) => key in step));
}

/** @param {unknown} value */
function isNumberOrNull(value) {
  return value === null || typeof value === "number";
}

/** @param {Partial<Snapshot> & {task_id: string}} raw @returns {Snapshot} */
function completed(raw) {
  const { task_id, name, title = name || task_id, phase, state = "PROGRESS" } = raw;
  const { current = 0, total = null, step } = raw;
  return {
    ...BLANK,
    ...raw,
    title,
    state,
    phase: phase ?? (state === "PENDING" ? "queued" : "running"),
    current: Number(current),
    total: total === null ? null : Number(total),
    step: step ? { ...BLANK_STEP, ...step } : null,
  };
}

/**
 * Whole percent, 100 in success and nowhere else; null when the total is unknown, and when a task that has begun has
 * said nothing yet.
 *
 * @param {Snapshot} snapshot
 * @returns {number | null}
 */
export function percent({ phase, state, current, total }) {
  if (phase === "succeeded") return 100;
  if (total === null || total <= 0 || (state !== "PENDING" && current === 0 && total === 1)) return null;
  // The epsilon: 0.29 of 1 is 29 %, though 100 * 0.29 is 28.999999999999996.
  return Math.min(99, Math.max(0, Math.floor((100 * current) / total + 1e-9)));
}
