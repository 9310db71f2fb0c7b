/** The sections of a task's page that show its history. The server renders them again after each change. */

import { formatTime } from "./format.js";
import { CREDENTIALS } from "./reading.js";

const RENEW_SOON_MS = 500; // between two renewals for the number of parts
const RENEW_AGAIN_MS = 2000; // after one that failed: there may be no news of the task that would try it again

export class PageSections {
  #page;
  #onRenewed;
  #renewals = 0;
  /** @type {Map<string, string>} by id, each section as the server last made it: what a reader did stays until then */
  #made = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;

  /**
   * @param {HTMLElement} page
   * @param {() => void} onRenewed
   */
  constructor(page, onRenewed) {
    this.#page = page;
    this.#onRenewed = onRenewed;
    for (const section of page.querySelectorAll("[data-live]")) this.#made.set(section.id, section.outerHTML);
    localise(page);
  }

  /** Renew for what changes often. */
  renewSoon() {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.renew();
    }, RENEW_SOON_MS);
  }

  /** Have the server make them again. */
  async renew() {
    const renewal = ++this.#renewals;
    clearTimeout(this.#again);
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: CREDENTIALS });
      if (response.status === 404) return; // gone, as the card says
      if (!response.ok) throw new Error(`${response.status}`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (renewal !== this.#renewals) return; // a later one has begun
      this.#replace(page);
      this.#onRenewed();
    } catch {
      if (renewal !== this.#renewals) return;
      this.#again = setTimeout(() => void this.renew(), RENEW_AGAIN_MS);
    }
  }

  stop() {
    this.#renewals++;
    clearTimeout(this.#soon);
    clearTimeout(this.#again);
  }

  /** @param {Document} page as the server makes it now */
  #replace(page) {
    for (const section of this.#page.querySelectorAll("[data-live]")) {
      const next = page.getElementById(section.id);
      if (!next || next.outerHTML === this.#made.get(section.id) || isSameQuestion(section, next)) continue;
      this.#made.set(section.id, next.outerHTML);
      const held = section.contains(document.activeElement);
      section.replaceWith(document.adoptNode(next));
      if (held) this.#page.querySelector("h1")?.focus(); // not where nobody knows
    }
    localise(this.#page);
  }
}

/**
 * Whether a section asks what it asked: its form may hold an answer, and what is wrong with it.
 *
 * @param {Element} one
 * @param {Element} other
 */
function isSameQuestion(one, other) {
  const [before, after] = [one, other].map((section) => section.querySelector("[name=question_id]")?.getAttribute("value"));
  return before !== undefined && before === after;
}

/** Show times by the reader's own clock. @param {HTMLElement} root */
function localise(root) {
  for (const time of root.querySelectorAll("time")) time.textContent = formatTime(time.dateTime);
}
