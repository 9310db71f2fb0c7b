/** Reads the watched tasks by plain HTTP, again and again while the socket is not live. */

import { readNews } from "./reading.js";
import { MAX_IDS } from "./watch-requests.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").Connection} Connection
 * @typedef {import("./tracked-tasks.js").TrackedTasks} TrackedTasks
 */

const GRACE_MS = 2000; // without a live socket, before polling begins
const POLL_MS = { min: 2000, max: 10_000, growth: 1.5 };

export class Poller {
  #connection;
  #tasks;
  #fetch;
  #random;
  #pollAgainIn = POLL_MS.min;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #polling = false;
  #isClosed = false;
  /** @type {Map<string, string>} the tag of the last answer, of the paths that are polled */
  #tags = new Map();

  /**
   * @param {Connection} connection
   * @param {TrackedTasks} tasks
   * @param {typeof fetch} get
   * @param {() => number} random
   */
  constructor(connection, tasks, get, random) {
    this.#connection = connection;
    this.#tasks = tasks;
    this.#fetch = get;
    this.#random = random;
    connection.on("change", () => this.#startOrStop());
    this.#startOrStop();
  }

  /** Poll often again, and read everything again: the server's time, too, and what a card that has just begun lacks. */
  resetInterval() {
    this.#pollAgainIn = POLL_MS.min;
    this.#tags = new Map();
  }

  /** Poll now, unless that is being done. */
  async pollNow() {
    if (this.#polling) return;
    clearTimeout(this.#timer);
    this.#polling = true;
    const changes = this.#tasks.changes;
    const paths = this.#paths;
    const tags = this.#tags;
    const results = await Promise.allSettled(
      paths.map(async (path) => tags.set(path, await this.read(path, tags.get(path)))),
    );
    for (const path of tags.keys()) if (!paths.includes(path)) tags.delete(path);
    this.#polling = false;
    this.#timer = undefined;
    if (this.#isClosed || this.#connection.state === "live") return;
    const longer = Math.min(POLL_MS.max, this.#pollAgainIn * POLL_MS.growth);
    this.#pollAgainIn = this.#tasks.changes > changes ? POLL_MS.min : longer;
    const pause = this.#pollAgainIn * (0.8 + 0.2 * this.#random());
    this.#timer = setTimeout(() => this.pollNow(), pause);
    const failed = results.find((result) => result.status === "rejected");
    this.#connection.note({
      pollSeconds: paths.length ? Math.round(this.#pollAgainIn / 1000) : 0,
      pollFailed: failed !== undefined,
      fault: failed?.reason.message ?? "",
    });
  }

  /**
   * Read a path whose answer holds snapshots, and return the answer's tag. Rejects where the server does not answer.
   *
   * @param {string} path
   * @param {string} [knownTag] of an answer that was taken in: only another one is
   */
  async read(path, knownTag) {
    const { answer, tag } = await readNews(this.#connection.address, path, this.#fetch, knownTag);
    if (answer === null) {
      this.#connection.onNothingNew();
      return tag;
    }
    const { tasks, snapshots = tasks, missing = [], counts, server } = answer;
    this.#connection.onServerState(server);
    for (const snapshot of /** @type {Snapshot[]} */ (snapshots)) {
      this.#connection.observe(snapshot.updated_at);
      this.#tasks.receive(snapshot);
    }
    missing.forEach((/** @type {string} */ id) => this.#tasks.miss(id));
    if (tasks) this.#tasks.listRead(counts, tasks);
    return tag;
  }

  /** Poll no more, for good. */
  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #startOrStop() {
    if (this.#isClosed) return;
    if (this.#connection.state !== "live") {
      this.#timer ??= setTimeout(() => this.pollNow(), GRACE_MS);
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.resetInterval();
    this.#connection.note({ pollSeconds: 0, pollFailed: false, fault: "" });
  }

  get #paths() {
    const { unfinished } = this.#tasks;
    const paths = this.#tasks.listListeners.size ? ["/tasks?include=open"] : [];
    for (let from = 0; from < unfinished.length; from += MAX_IDS) {
      const ids = unfinished.slice(from, from + MAX_IDS).map((id) => ["task_id", id]);
      paths.push(`/status?${new URLSearchParams(ids)}`);
    }
    return paths;
  }
}
