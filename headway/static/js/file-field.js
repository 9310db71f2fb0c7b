/** A form's field for a file, which is uploaded as it is chosen: its progress is shown, and the form stays small. */

import { formatPercent, formatSize } from "./format.js";
import { CREDENTIALS } from "./reading.js";

const BROKE_OFF = "The upload broke off. Start sends the file once more.";
const TOO_LARGE = "This file is too large: it may have";
const UPLOADING = "Uploading…";
const UPLOADED = "Uploaded.";

export class FileField {
  #input;
  #address;
  #max;
  /** @type {XMLHttpRequest | undefined} */
  #request;
  /**
   * Whether what was chosen is uploaded, once that is known; true for nothing.
   *
   * @type {Promise<boolean>}
   */
  done = Promise.resolve(true);

  /**
   * @param {HTMLInputElement} input
   * @param {string} address where files are uploaded
   * @param {number} max bytes of a file
   * @param {AbortSignal} signal ends it
   */
  constructor(input, address, max, signal) {
    this.#input = input;
    this.#address = address;
    this.#max = max;
    input.addEventListener("change", () => this.#take(), { signal });
    signal.addEventListener("abort", () => this.#request?.abort());
  }

  get isUploading() {
    return this.#request !== undefined;
  }

  /** @param {string} name @returns {any} */
  #part(name) {
    return this.#input.closest(".field")?.querySelector(`[data-part=${name}]`);
  }

  #take() {
    this.#request?.abort();
    const file = this.#input.files?.[0];
    if (!file) {
      this.#say("");
    } else if (file.size > this.#max) {
      this.#input.value = "";
      this.#say(`${TOO_LARGE} ${formatSize(this.#max)}.`, true);
    } else {
      this.done = this.#upload(file);
    }
  }

  /** @param {File} file */
  async #upload(file) {
    const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
    this.#request = request;
    const body = new FormData();
    body.set("file", file);
    request.open("POST", this.#address);
    request.withCredentials = CREDENTIALS === "include";
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", ({ loaded, total }) => this.#draw(total ? loaded / total : 0));
    this.#draw(0);
    this.#say(UPLOADING);
    await new Promise((resolve) => {
      request.addEventListener("loadend", resolve);
      request.send(body);
    });
    return this.#request === request ? this.#end(request) : true; // another file was chosen
  }

  /** @param {XMLHttpRequest} request */
  #end({ status, response }) {
    this.#request = undefined;
    this.#part("uploading").hidden = true;
    if (status !== 201) {
      this.#say(response?.error?.message ?? BROKE_OFF, true);
      return false;
    }
    const kept = this.#part("kept");
    const box = kept.querySelector("input");
    box.value = response.upload_id;
    box.checked = true;
    box.disabled = false;
    kept.querySelector("span").textContent = `${response.name}, ${formatSize(response.size)}`;
    kept.hidden = false;
    this.#input.value = ""; // it is not sent once more
    document.getElementById(`${this.#input.id}-error`)?.remove();
    this.#say(UPLOADED);
    return true;
  }

  /** @param {number} part of the file that is sent */
  #draw(part) {
    const bar = this.#part("uploading");
    const percent = Math.floor(part * 100);
    bar.hidden = false;
    bar.querySelector("progress").value = percent;
    bar.querySelector("span").textContent = formatPercent(percent);
  }

  /** @param {string} text @param {boolean} [isWrong] */
  #say(text, isWrong = false) {
    const note = this.#part("upload");
    note.textContent = text;
    note.classList.toggle("error", isWrong);
    if (isWrong) this.#input.setAttribute("aria-invalid", "true");
    else this.#input.removeAttribute("aria-invalid"); // for "false" styles of pages praise an empty field
  }
}
