/** A form's field for a file, which is uploaded as it is chosen: its progress is shown, and the form stays small. */

import WORDS from "./card-words.js";
import { fill, formatPercent, formatSize } from "./format.js";
import { ResumableUpload } from "./resumable-upload.js";

export class FileField {
  #input;
  #address;
  #max;
  /** @type {ResumableUpload | undefined} */
  #upload;
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
    this.#part("cancel").addEventListener("click", () => this.#cancel(), { signal });
    signal.addEventListener("abort", () => this.#stop());
    if (input.files?.length) this.#take(); // chosen before this script had come
  }

  get isUploading() {
    return this.#upload !== undefined;
  }

  /** @param {string} name @returns {any} */
  #part(name) {
    return this.#input.closest(".field")?.querySelector(`[data-part=${name}]`);
  }

  #take() {
    this.#end();
    const file = this.#input.files?.[0];
    if (!file) {
      this.#say("");
    } else if (file.size > this.#max) {
      this.#input.value = "";
      this.#say(fill(WORDS.form.too_large, { size: formatSize(this.#max) }), true);
    } else {
      this.done = this.#send(file);
    }
  }

  /** What has come stays, for the same file to go on. */
  #stop() {
    this.#upload?.stop();
    this.#upload = undefined;
  }

  #cancel() {
    this.#end();
    this.#input.value = "";
    this.#input.focus(); // the button is gone
    this.#say(WORDS.form.cancelled);
  }

  /** End what is being uploaded. */
  #end() {
    void this.#upload?.cancel();
    this.#upload = undefined;
    this.#part("uploading").hidden = true;
  }

  /** @param {File} file @returns {Promise<boolean>} */
  async #send(file) {
    const upload = new ResumableUpload(
      file,
      this.#address,
      (part) => this.#upload === upload && this.#draw(part),
      (why) => this.#say(fill(WORDS.form.goes_on, { why: why || silence() })),
    );
    this.#upload = upload;
    this.#draw(0);
    try {
      this.#keep(await upload.run());
      return true;
    } catch (error) {
      if (this.#upload !== upload) return false; // cancelled, or another file was chosen
      this.#end();
      this.#say(error instanceof Error ? error.message : String(error), true);
      return false;
    }
  }

  /** @param {{upload_id: string, name: string, size: number}} uploaded */
  #keep({ upload_id, name, size }) {
    this.#upload = undefined;
    this.#part("uploading").hidden = true;
    const kept = this.#part("kept");
    const box = kept.querySelector("input");
    box.value = upload_id;
    box.checked = true;
    box.disabled = false;
    kept.querySelector("span").textContent = `${name}, ${formatSize(size)}`;
    kept.hidden = false;
    this.#input.value = ""; // it is not sent once more
    document.getElementById(`${this.#input.id}-error`)?.remove();
    this.#say(WORDS.form.uploaded);
  }

  /** @param {number} part of the file that is sent */
  #draw(part) {
    const bar = this.#part("uploading");
    const percent = Math.floor(part * 100);
    bar.hidden = false;
    const { uploading } = WORDS.form;
    if (this.#part("upload").textContent !== uploading) this.#say(uploading);
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

/** Why no server answers. */
function silence() {
  return navigator.onLine ? WORDS.form.unreached : WORDS.form.unconnected;
}
