/** What can be done to chosen tasks together, in words. Pure. */

import WORDS from "./card-words.js";
import { counted, fill } from "./format.js";
import { FINAL } from "./snapshot.js";

/** @typedef {"cancel" | "retry" | "forget"} Action */

const CHOICE = WORDS.choice;
const CANCELLABLE = new Set(["scheduled", "queued", "running", "retrying", "waiting"]);

/**
 * Whether this can be done to a task in this phase.
 *
 * @param {Action} action
 * @param {string} phase
 */
export function possible(action, phase) {
  return (action === "cancel" ? CANCELLABLE : FINAL).has(phase);
}

/**
 * The words of a button.
 *
 * @param {Action} action
 * @param {number} count of the chosen tasks to which it can be done
 * @param {boolean} isAsked whether it was pressed, and asks once more
 */
export function phrase(action, count, isAsked) {
  if (isAsked) return fill(CHOICE.forget_surely, { count });
  return count ? fill(CHOICE.counted[action], { count }) : CHOICE.actions[action];
}

/**
 * Which of the chosen tasks each button leaves out; "" where none does.
 *
 * @param {string[]} phases of the chosen tasks
 */
export function left(phases) {
  const ended = phases.filter((phase) => FINAL.has(phase)).length;
  const open = phases.length - ended;
  const stopping = phases.filter((phase) => phase === "cancelling").length;
  if (!ended && !stopping) return open ? CHOICE.all_open : "";
  const parts = [];
  if (ended && open > stopping) parts.push(counted(CHOICE.ended, ended));
  if (ended && open) parts.push(counted(CHOICE.open, open));
  if (stopping) parts.push(counted(CHOICE.stopping, stopping));
  return parts.join(" ");
}
