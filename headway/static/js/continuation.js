/** The way from a task to the one in which it goes on, for who may open that one: a token may be for one task alone. */

import WORDS from "./card-words.js";
import { opens } from "./token-links.js";

export class Continuation {
  #server;
  #asked = "";
  #opened = "";

  /** @param {import("./server.js").Server} server */
  constructor(server) {
    this.#server = server;
  }

  /**
   * @param {import("./snapshot.js").Snapshot} snapshot
   * @param {() => void} onOpen called once it is known that the other task may be opened
   */
  linkOf({ resume }, onOpen) {
    const taskId = resume?.task_id ?? "";
    if (taskId !== this.#asked) void this.#ask(taskId, onOpen);
    if (!taskId || taskId !== this.#opened) return null;
    return { href: this.#server.pageOf(taskId), text: WORDS.card.continued };
  }

  /** @param {string} taskId @param {() => void} onOpen */
  async #ask(taskId, onOpen) {
    this.#asked = taskId;
    if (!taskId || !(await opens(this.#server, taskId))) return;
    this.#opened = taskId;
    onOpen();
  }
}
