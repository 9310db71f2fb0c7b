/** Speaks to screen readers: changes of state and each quarter, at most once in 5 s; failures at once. */

import { FINAL, percent } from "./snapshot.js";
import WORDS from "./card-words.js";
import { translated } from "./language.js";
import { failure, headline, whyMissing } from "./words.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

const SILENCE_MS = 5000;

export class Announcer {
  /** @type {Map<string, {title: string, phase: string, part: number | string}>} task -> what was last seen: its phase and quarter or question */
  #seen = new Map();
  /** @type {Map<string, string>} task -> what is to be said; only its newest counts */
  #waiting = new Map();
  #alarm = ""; // what has failed in this turn: each text replaces the one before
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  #polite;
  #alert;

  /**
   * @param {{textContent: string | null}} polite an element with aria-live="polite"
   * @param {{textContent: string | null}} alert an element with role="alert"
   */
  constructor(polite, alert) {
    this.#polite = polite;
    this.#alert = alert;
  }

  /** @param {Snapshot} snapshot @param {import("./words.js").Labels} [labels] */
  receive(snapshot, labels) {
    const { task_id, phase, title, question } = snapshot;
    const part = phase === "running" ? Math.floor((percent(snapshot) ?? 0) / 25) : (question?.id ?? "");
    const before = this.#seen.get(task_id);
    if (before?.phase === phase && before.part === part) return;
    this.#seen.set(task_id, { title, phase, part });
    if (!before && FINAL.has(phase)) return; // what had ended before the page was opened is no news
    const sentence = [`${title}: ${headline(snapshot, labels)}`, translated(question?.text ?? "")].filter(Boolean).join(". ");
    if (phase === "failed") {
      this.#waiting.delete(task_id);
      this.#alarm += `${sentence}. ${failure(snapshot, labels)} `;
      this.#alert.textContent = this.#alarm;
      queueMicrotask(() => (this.#alarm = ""));
    } else {
      this.#waiting.set(task_id, sentence);
      this.#speak();
    }
  }

  /**
   * @param {string} taskId of a task that is gone
   * @param {boolean} [isForgotten]
   * @param {string} [token] by which it was read
   */
  remove(taskId, isForgotten = false, token = "") {
    const title = this.#seen.get(taskId)?.title ?? WORDS.card.title;
    this.#waiting.set(taskId, `${title}: ${whyMissing(isForgotten, token)}`);
    this.#seen.delete(taskId);
    this.#speak();
  }

  #speak() {
    if (this.#silence || !this.#waiting.size) return;
    this.#polite.textContent = [...this.#waiting.values()].join(". ");
    this.#waiting.clear();
    this.#silence = setTimeout(() => {
      this.#silence = undefined;
      this.#speak();
    }, SILENCE_MS);
  }
}
