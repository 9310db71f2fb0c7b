/** Where a card shows its task's streams. What draws them is loaded once a task has some. */

import WORDS from "./card-words.js";
import { fill } from "./format.js";
import { translated } from "./language.js";
import { read } from "./reading.js";

/**
 * @typedef {import("./card-streams.js").CardStreams} CardStreams
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

// A module has its neighbour; the bundle, a plain script perhaps of another origin, has one more file beside it.
const script = /** @type {HTMLScriptElement | null | undefined} */ (globalThis.document?.currentScript);
const ADDRESS = script ? new URL("headway-streams.js", script.src).href : "./card-streams.js";

export class StreamBox {
  #box;
  #watcher;
  /** @type {CardStreams | undefined} */
  #streams;
  /** @type {Snapshot | undefined} */
  #snapshot;
  /** @type {(() => void) | undefined} */
  #unsubscribe;
  #hasAsked = false;

  /** @param {HTMLElement} box @param {TaskWatcher} watcher */
  constructor(box, watcher) {
    this.#box = box;
    this.#watcher = watcher;
  }

  /** Show the streams of a task, unless the style sheet hides them. @param {Snapshot} snapshot */
  show(snapshot) {
    if (snapshot.task_id !== this.#snapshot?.task_id) this.stop();
    if (!Object.keys(snapshot.streams).length || !this.#box.checkVisibility()) return;
    this.#snapshot = snapshot;
    this.#streams?.reach(snapshot);
    if (!this.#hasAsked) void this.#load(snapshot);
  }

  /** Show no streams. */
  stop() {
    this.#snapshot = undefined;
    this.#hasAsked = false;
    this.#unsubscribe?.();
    this.#streams?.stop();
    this.#streams = undefined;
  }

  /** @param {Snapshot} snapshot */
  async #load({ task_id }) {
    this.#hasAsked = true;
    const { connection } = this.#watcher;
    try {
      /** @type {typeof import("./card-streams.js")} */
      const { CardStreams } = await import(ADDRESS);
      if (task_id !== this.#snapshot?.task_id || this.#streams) return;
      const streams = (this.#streams = new CardStreams(this.#box, this.#source(task_id)));
      this.#unsubscribe = connection.on("stream", (event) => event.task_id === task_id && streams.take(event));
      streams.reach(this.#snapshot);
    } catch (error) {
      console.error(`Headway: the streams of ${task_id} cannot be shown here.`, error);
    }
  }

  /** @param {string} taskId @returns {import("./card-streams.js").StreamSource} */
  #source(taskId) {
    const { server } = this.#watcher;
    const page = `/tasks/${encodeURIComponent(taskId)}`;
    const { follow, output, more_files } = WORDS.card;
    return {
      read: (name, offset, epoch) => read(server, `${page}/streams/${name}?offset=${offset}&epoch=${epoch}`, fetch),
      linkOf: (name) => `${server.at(page)}#stream-${name}`,
      words: {
        follow,
        name: translated,
        output: (name) => fill(output, { name: translated(name) }),
        more: (count) => fill(more_files, { count }),
      },
    };
  }
}
