/**
 * The choices of what a list shows: the key of their name (WORDS.list.phases) and phases, none for all;
 * headway/web/api/listing.py has the same.
 */

/** @type {readonly (readonly [name: keyof typeof import("./card-words.js").default.list.phases, phases: readonly string[]])[]} */
export const FILTERS = [
  ["all", []],
  ["running", ["running", "cancelling"]],
  ["waiting", ["waiting"]],
  ["retrying", ["retrying"]],
  ["queued", ["queued"]],
  ["scheduled", ["scheduled"]],
  ["failed", ["failed"]],
  ["succeeded", ["succeeded"]],
  ["cancelled", ["cancelled"]],
];

/** What a list is asked for. */
export class ListQuery {
  /**
   * @param {readonly string[]} [phases] none: all
   * @param {string} [words]
   */
  constructor(phases = [], words = "") {
    this.phases = phases;
    this.words = words.trim();
  }

  /** Whether it is of all tasks. */
  get isWhole() {
    return !this.phases.length && !this.words;
  }

  /**
   * Where the server answers it.
   *
   * @param {string} cursor "" for the newest
   */
  path(cursor) {
    const fields = this.phases.map((phase) => ["phase", phase]);
    if (this.words) fields.push(["q", this.words]);
    if (cursor) fields.push(["cursor", cursor]);
    return fields.length ? `/tasks?${new URLSearchParams(fields)}` : "/tasks";
  }

  /** @param {string} phase */
  allows(phase) {
    return !this.phases.length || this.phases.includes(phase);
  }

  /**
   * Whether a task belongs to it, as far as its snapshot tells: the server searches its arguments too.
   *
   * @param {import("./snapshot.js").Snapshot} snapshot
   */
  matches({ phase, title, status, error }) {
    if (!this.allows(phase)) return false;
    const text = `${title} ${status} ${error?.message ?? ""}`.toLowerCase();
    return this.words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }
}

/** Where it is kept what a list is asked for: Headway's own page of one keeps it in its address, other pages do not. */
export const ADDRESS = {
  read: () => new ListQuery(),
  /** @param {ListQuery} query that a person has asked for */
  write: (query) => void query,
};
