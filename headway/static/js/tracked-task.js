/** What a page knows of one task, and the listeners that it tells. */

import { callAll } from "./listeners.js";
import { isFinal, isNewer } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 *
 * @callback OnTask called with each newer snapshot, and the newest line of the task's log; null:
 *   gone, or not the caller's
 * @param {Snapshot | null} snapshot
 * @param {LogLine | null} line
 * @param {boolean} isForgotten gone because a person had it forgotten
 * @returns {void}
 */

export class TrackedTask {
  /** @type {Snapshot | null} */
  snapshot = null;
  /** @type {LogLine | null} */
  line = null;
  missing = false;
  isForgotten = false;
  /** Whether it was missing from a list that should have had it: it may be gone. */
  isDoubtful = false;
  /** Whether it was asked for on the present socket. */
  asked = false;
  /** @type {Set<OnTask>} */
  listeners = new Set();

  /** Whether there may be news of it. */
  get isOpen() {
    return !this.snapshot || !isFinal(this.snapshot) || this.isDoubtful;
  }

  /**
   * Take in a snapshot; return whether it is newer than what is known.
   *
   * @param {Snapshot} next
   */
  receive(next) {
    this.isDoubtful = false;
    if (!isNewer(next, this.snapshot)) return false;
    this.snapshot = next;
    this.missing = this.isForgotten = false;
    return true;
  }

  /** Take in that it is gone, or not the caller's. */
  miss() {
    this.missing = true;
    this.snapshot = null;
    this.isDoubtful = false;
  }

  /** Tell the listeners what is known. They take null for gone, so nothing is told while only a log line has come. */
  emit() {
    if (this.snapshot || this.missing) callAll(this.listeners, this.snapshot, this.line, this.isForgotten);
  }

  // The log: lines carry numbers without gaps

  /**
   * Take in lines as pushed; a gap in their numbers has the task asked for again.
   *
   * @param {LogLine[]} lines
   */
  appendLog(lines) {
    for (const line of lines) {
      const last = this.line?.seq ?? 0;
      if (line.seq === last + 1) this.line = line;
      else if (line.seq > last) this.asked = false;
    }
    this.emit();
  }

  /**
   * Take in lines as answered: older ones may no longer be kept.
   *
   * @param {LogLine[]} lines
   */
  catchUpLog(lines) {
    const newest = lines.at(-1);
    if (!newest || newest.seq <= (this.line?.seq ?? 0)) return;
    this.line = newest;
    this.emit();
  }
}
