/** Adds the lines of a task's log to a list that the server may have filled, each once and in order. */

import WORDS from "./card-words.js";
import { fill, formatTime } from "./format.js";

/**
 * @typedef {import("./snapshot.js").LogLine} LogLine
 *
 * @typedef {object} LogPage
 * @property {LogLine[]} lines
 * @property {number} first_seq
 *
 * @callback ReadLog reads the lines after a number
 * @param {number} after
 * @returns {Promise<LogPage>}
 */

export const MAX_SHOWN = 10_000; // lines; beyond it the oldest leave the page

const RETRY_MS = 1000;

export class TaskLog {
  #draw;
  #read;
  /** The number of the last line that is shown. */
  #last;
  #wanted = 0;
  #reading = false;
  #stopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} what comes meanwhile is read then */
  #retry;

  /**
   * @param {number} last the number of the last line that is shown already
   * @param {(lines: LogLine[], lost: number) => void} draw gets lines that follow those before, and the number of
   *   the last line before them that was dropped, 0 for none
   * @param {ReadLog} read
   */
  constructor(last, draw, read) {
    this.#last = last;
    this.#draw = draw;
    this.#read = read;
  }

  /**
   * Take in lines as pushed. A gap in their numbers is read.
   *
   * @param {LogLine[]} lines
   */
  take(lines) {
    const next = lines.filter(({ seq }) => seq > this.#last);
    if (!next.length) return;
    if (next[0].seq !== this.#last + 1) return this.reach(next[next.length - 1].seq);
    this.#last = next[next.length - 1].seq;
    this.#draw(next, 0);
  }

  /**
   * Read what is missing up to a line.
   *
   * @param {number} seq Infinity: to the end, as it is now
   */
  reach(seq) {
    this.#wanted = Math.max(this.#wanted, seq);
    if (!this.#reading && !this.#retry) void this.#catchUp();
  }

  /** Read no more. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
  }

  async #catchUp() {
    this.#retry = undefined;
    this.#reading = true;
    while (!this.#stopped && !this.#retry && this.#wanted > this.#last) await this.#fetch();
    this.#reading = false;
  }

  async #fetch() {
    const wanted = this.#wanted;
    this.#wanted = 0; // from now on it is for the next one
    try {
      const { lines, first_seq } = await this.#read(this.#last);
      const next = lines.filter(({ seq }) => seq > this.#last);
      const lost = first_seq > this.#last + 1 ? first_seq - 1 : 0;
      if (this.#stopped || !next.length) return;
      this.#last = next[next.length - 1].seq;
      this.#draw(next, lost);
    } catch {
      this.#wanted = Math.max(this.#wanted, wanted);
      this.#retry = setTimeout(() => this.#catchUp(), RETRY_MS);
    }
  }
}

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/**
 * Whether a line has at least this level, and this text; log_view.py has the same.
 *
 * @param {LogLine} line
 * @param {string} level "" for any
 * @param {string} find
 */
export function matches(line, level, find) {
  const own = LEVELS.includes(line.level) ? line.level : "INFO";
  if (LEVELS.indexOf(own) < LEVELS.indexOf(level)) return false;
  return line.text.toLowerCase().includes(find.toLowerCase());
}

/** @param {LogLine} line @returns {HTMLLIElement} */
export function lineElement({ seq, at, level, text }) {
  const item = document.createElement("li");
  item.id = `L${seq}`;
  item.dataset.level = level;
  const link = document.createElement("a");
  link.href = `#L${seq}`;
  link.ariaLabel = fill(WORDS.page.line, { line: seq });
  link.textContent = String(seq);
  const time = document.createElement("time");
  time.dateTime = at;
  time.textContent = formatTime(at);
  item.append(link, " ", time, " ", span("level", level), " ", span("words", text));
  return item;
}

/** @param {string} name @param {string} text */
function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
