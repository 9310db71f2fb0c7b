/** What can be done to chosen tasks together, in words. Pure. */

/** @typedef {"cancel" | "retry" | "forget"} Action */

const LABELS = { cancel: "Cancel", retry: "Start again", forget: "Forget" };
const CANCELLABLE = new Set(["scheduled", "queued", "running", "retrying", "waiting"]);
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

/**
 * Whether this can be done to a task in this phase.
 *
 * @param {Action} action
 * @param {string} phase
 */
export function possible(action, phase) {
  return (action === "cancel" ? CANCELLABLE : ENDED).has(phase);
}

/**
 * The words of a button.
 *
 * @param {Action} action
 * @param {number} count of the chosen tasks to which it can be done
 * @param {boolean} isAsked whether it was pressed, and asks once more
 */
export function phrase(action, count, isAsked) {
  if (isAsked) return `Forget ${count} for good?`;
  return count ? `${LABELS[action]} ${count}` : LABELS[action];
}

/**
 * Which of the chosen tasks each button leaves out; "" where none does.
 *
 * @param {string[]} phases of the chosen tasks
 */
export function left(phases) {
  const ended = phases.filter((phase) => ENDED.has(phase)).length;
  const open = phases.length - ended;
  const stopping = phases.filter((phase) => phase === "cancelling").length;
  if (!ended && !stopping) return open ? "They can be started again or forgotten once they have ended." : "";
  const parts = [];
  if (ended && open > stopping) parts.push(`Cancel leaves out the ${ended} that ${has(ended)} ended.`);
  if (ended && open) parts.push(`Start again and Forget leave out the ${open} that ${has(open)} not.`);
  if (stopping) parts.push(`${stopping} ${stopping === 1 ? "is" : "are"} being cancelled already.`);
  return parts.join(" ");
}

/** @param {number} count */
function has(count) {
  return count === 1 ? "has" : "have";
}
