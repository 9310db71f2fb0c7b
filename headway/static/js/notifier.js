/**
 * Tells of tasks by the system's notifications while no tab of the page is in view: each end, failure, question and
 * reminder of one, once over all tabs. Off until the person turns it on.
 */

import { read, SIGNS } from "./card-reading.js";
import WORDS from "./card-words.js";
import { isFinal } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./words.js").Labels} Labels
 */

const KEY = "headway-notify";
const CHANNEL = "headway-in-view";
const ANSWER_MS = 150; // for another tab to say that it is in view

export class Notifier {
  /** @type {Map<string, string>} task -> what was last seen of it */
  #seen = new Map();
  #channel;
  #isSeen = false;
  #addressOf;
  #visit;

  /**
   * @param {(taskId: string) => string} addressOf the address of a task's page
   * @param {(address: string) => void} [visit] opens such an address
   */
  constructor(addressOf, visit = (address) => void window.open(address)) {
    this.#addressOf = addressOf;
    this.#visit = visit;
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = ({ data }) => {
      if (data === "here") this.#isSeen = true;
      else if (!document.hidden) this.#channel.postMessage("here");
    };
  }

  /** Whether this browser can notify, and has not been told not to. On Android only a service worker can. */
  static get canBeOn() {
    const isAllowed = "Notification" in globalThis && isSecureContext && Notification.permission !== "denied";
    return isAllowed && !/Android/.test(navigator.userAgent);
  }

  /** Whether the person has turned it on. */
  static get isOn() {
    try {
      return Notifier.canBeOn && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
    } catch {
      return false; // storage may be forbidden
    }
  }

  /** Turn it on or off, by a click: the browser asks for its permission. Returns whether it is on. @param {boolean} on */
  static async turn(on) {
    if (on && (await Notification.requestPermission()) !== "granted") return false;
    try {
      localStorage.setItem(KEY, on ? "on" : "off");
    } catch {
      return false;
    }
    return on;
  }

  /**
   * Let a checkbox turn it on and off. Its label says so when the browser refuses, and is hidden where it was told to before.
   *
   * @param {HTMLInputElement} box
   * @param {HTMLElement} label
   */
  static offer(box, label) {
    label.append(` ${WORDS.notify}`);
    label.hidden = !Notifier.canBeOn;
    box.checked = Notifier.isOn;
    box.addEventListener("change", async () => {
      box.checked = await Notifier.turn(box.checked);
      if (Notifier.canBeOn) return;
      box.disabled = true;
      label.append(` (${WORDS.push.unavailable.blocked})`);
    });
  }

  /** @param {Snapshot} snapshot @param {Labels} [labels] */
  receive(snapshot, labels) {
    const { task_id, phase } = snapshot;
    const news = newsOf(snapshot);
    const before = this.#seen.get(task_id);
    if (before === news) return;
    this.#seen.set(task_id, news);
    // A task that had ended before the page was opened is not told of.
    if (!before || !(isFinal(snapshot) || phase === "waiting")) return;
    if (document.hidden && Notifier.isOn) void this.#tell(snapshot, labels);
  }

  /** @param {Snapshot} snapshot @param {Labels} [labels] */
  async #tell(snapshot, labels) {
    const { task_id, phase } = snapshot;
    if (await this.#isInView()) return;
    const { headline, text } = read(snapshot, { now: Date.now(), labels });
    const note = new Notification(`${SIGNS[phase] ?? ""} ${snapshot.title}`.trim(), {
      body: [headline, text].filter(Boolean).join(" "),
      tag: `${task_id} ${newsOf(snapshot)}`, // several tabs show one
    });
    note.onclick = () => {
      note.close();
      const address = this.#addressOf(task_id);
      if (address === location.href) window.focus();
      else this.#visit(address);
    };
  }

  /** @param {string} taskId of a task that is gone */
  remove(taskId) {
    this.#seen.delete(taskId);
  }

  stop() {
    this.#channel.close();
  }

  /** Ask the other tabs whether one of them is in view. */
  async #isInView() {
    this.#isSeen = false;
    this.#channel.postMessage("who");
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    return this.#isSeen;
  }
}

/**
 * What is told of a task at most once: its phase, and of a question that one and its reminder.
 *
 * @param {Snapshot} snapshot
 */
export function newsOf({ phase, question }) {
  return question ? [phase, question.id, question.reminded_at].filter(Boolean).join(" ") : phase;
}
