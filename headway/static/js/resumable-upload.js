/** An upload that goes on where it was: after a cut line, a restart of the server, a reload with the same file. */

import WORDS from "./card-words.js";
import { Refused } from "./requests.js";
import { TusUpload } from "./tus.js";

const PIECE_BYTES = 8 * 1024 * 1024; // a proxy may pass on none that is not whole
const PAUSES_MS = [500, 1000, 2000, 4000, 8000]; // the last one again and again
const NO_FOLDER = "no_file_folder";
const BROKEN = "broken_body";
/** Refusals that pass, besides those of a server that has trouble. */
const PASSING = new Set([404, 408, 409, 423, 429]);

export class ResumableUpload {
  #file;
  #upload;
  #onProgress;
  #onWait;
  #end = new AbortController();

  /**
   * @param {File} file
   * @param {string} address where uploads begin
   * @param {(part: number) => unknown} onProgress hears which part of the file has come
   * @param {(why: string) => void} onWait hears why it waits, "" where no server answers
   */
  constructor(file, address, onProgress, onWait) {
    this.#file = file;
    this.#upload = new TusUpload(file, address, this.#end.signal);
    this.#onProgress = onProgress;
    this.#onWait = onWait;
  }

  /**
   * Upload the file, however long that takes. Throws Refused where the server does not take it, and Error where the
   * browser cannot read it, or it was stopped.
   *
   * @returns {Promise<import("./tus.js").State>}
   */
  async run() {
    let fails = 0;
    for (;;) {
      try {
        const state = await this.#upload.find();
        while (state.offset < state.size) {
          state.offset = await this.#send(state.offset);
          fails = 0;
        }
        this.#upload.forget();
        return state;
      } catch (error) {
        if (this.#end.signal.aborted || !(await this.#passes(error))) throw error;
        this.#onWait(error instanceof Refused && error.status !== 404 ? error.message : "");
      }
      await this.#pause(PAUSES_MS[Math.min(fails++, PAUSES_MS.length - 1)]);
    }
  }

  /** Stop: the same file goes on where it was, whenever it is chosen again. */
  stop() {
    this.#end.abort();
  }

  /** Stop, and have the server delete what has come. */
  async cancel() {
    this.stop();
    await this.#upload.delete();
  }

  /** @param {number} offset */
  #send(offset) {
    const { size } = this.#file;
    this.#onProgress(offset / size);
    return this.#upload.send(offset, offset + PIECE_BYTES, (loaded) => this.#onProgress(loaded / size));
  }

  /** Whether it is worth to go on after an error. @param {unknown} error */
  async #passes(error) {
    if (!(error instanceof Refused)) return this.#isReadable();
    if (error.status === 404) this.#upload.forget(); // it has expired, and begins again
    if (error.code === NO_FOLDER) return false;
    return PASSING.has(error.status) || error.status >= 500 || error.code === BROKEN;
  }

  /** A request fails in the same way where no server answers and where the file cannot be read. */
  async #isReadable() {
    try {
      await this.#file.slice(0, 1).arrayBuffer();
      return true;
    } catch (cause) {
      throw new Error(WORDS.form.unreadable, { cause });
    }
  }

  /** Wait, or until the browser is online again. @param {number} ms */
  async #pause(ms) {
    const woken = new AbortController();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      addEventListener("online", resolve, woken);
      this.#end.signal.addEventListener("abort", resolve, woken);
      woken.signal.addEventListener("abort", () => clearTimeout(timer));
    });
    woken.abort();
    this.#end.signal.throwIfAborted();
  }
}
