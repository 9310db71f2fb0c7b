/** A file's upload at the server, by tus 1.0 (https://tus.io/protocols/resumable-upload); the browser remembers where. */

import { CREDENTIALS } from "./reading.js";
import { Refused } from "./requests.js";

const STALL_MS = 30_000; // after which a line that takes no bytes is given up
const HEADERS = { "Tus-Resumable": "1.0.0", Accept: "application/json" };

/** @typedef {{upload_id: string, name: string, size: number, offset: number}} State */

export class TusUpload {
  #file;
  #address;
  #memory;
  #signal;
  #place; // its own address

  /**
   * @param {File} file
   * @param {string} address where uploads begin
   * @param {AbortSignal} signal ends what is under way
   */
  constructor(file, address, signal) {
    this.#file = file;
    this.#address = address;
    this.#signal = signal;
    this.#memory = `headway-upload:${[address, file.name, file.size, file.lastModified].join(":")}`;
    this.#place = recall(this.#memory);
  }

  /** Where the upload is, which begins if need be. Throws Refused. @returns {Promise<State>} */
  async find() {
    const state = this.#place ? await this.#ask(this.#place, {}) : await this.#begin();
    if (state.size === this.#file.size) return state;
    this.forget();
    return this.#begin();
  }

  /**
   * Send the bytes from `offset` to `end`. Throws Refused.
   *
   * @param {number} offset
   * @param {number} end
   * @param {(loaded: number) => void} onProgress
   * @returns {Promise<number>} the next offset
   */
  send(offset, end, onProgress) {
    const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
    const abort = () => request.abort();
    const heard = new AbortController();
    let stall = setTimeout(abort, STALL_MS);
    request.open("PATCH", this.#place);
    request.withCredentials = CREDENTIALS === "include";
    const own = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    for (const [name, value] of Object.entries({ ...HEADERS, ...own })) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded }) => {
      clearTimeout(stall);
      stall = setTimeout(abort, STALL_MS);
      onProgress(offset + loaded);
    });
    this.#signal.addEventListener("abort", abort, heard);
    addEventListener("offline", abort, heard);
    return new Promise((resolve, reject) => {
      request.addEventListener("loadend", () => {
        clearTimeout(stall);
        heard.abort();
        if (request.status === 204) resolve(Number(request.getResponseHeader("Upload-Offset")));
        else reject(failure(request.status, request.responseText));
      });
      request.send(this.#file.slice(offset, end));
    });
  }

  /** Have the server delete what has come. */
  async delete() {
    const place = this.#place;
    this.forget();
    const request = { method: "DELETE", headers: HEADERS, credentials: CREDENTIALS, keepalive: true };
    if (place) await fetch(place, request).catch(() => {}); // it expires
  }

  /** Begin again, or upload the same file once more, next time. */
  forget() {
    this.#place = "";
    remember(this.#memory, "");
  }

  async #begin() {
    const bytes = new TextEncoder().encode(this.#file.name);
    const name = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const own = { "Upload-Length": String(this.#file.size), "Upload-Metadata": `filename ${name}` };
    return this.#ask(this.#address, { method: "POST", headers: { ...HEADERS, ...own } });
  }

  /** @param {string} address @param {RequestInit} request @returns {Promise<State>} */
  async #ask(address, request) {
    const own = { credentials: CREDENTIALS, cache: /** @type {const} */ ("no-store"), signal: this.#signal };
    const response = await fetch(address, { headers: HEADERS, ...own, ...request });
    const text = await response.text();
    if (!response.ok) throw failure(response.status, text);
    const place = response.headers.get("Location");
    if (place) {
      this.#place = new URL(place, new URL(address, location.href)).href;
      remember(this.#memory, this.#place);
    }
    return JSON.parse(text);
  }
}

/** @param {number} status @param {string} text */
function failure(status, text) {
  if (!status) return new Error("No server answers.");
  try {
    return new Refused(status, JSON.parse(text).error);
  } catch {
    return new Refused(status, { code: "", message: `The server answers with ${status}.` }); // a proxy, mostly
  }
}

/** @param {string} key @param {string} place */
function remember(key, place) {
  try {
    if (place) localStorage.setItem(key, place);
    else localStorage.removeItem(key);
  } catch {
    // It is full, or switched off: a reload begins again.
  }
}

/** @param {string} key */
function recall(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
