/** Follows one output stream of a task, to the byte, whatever is cut back or does not arrive. */

/**
 * @typedef {object} StreamEvent text that belongs at an offset, in bytes of UTF-8
 * @property {number} offset
 * @property {string} text
 * @property {number} epoch grows when text is cut back, as at a new attempt
 * @property {"markdown"} [format] what a stream is that is no plain text
 *
 * @typedef {object} StreamEnd how long a stream is, as a snapshot says
 * @property {number} length
 * @property {number} epoch
 * @property {"markdown"} [format]
 *
 * @callback ReadStream reads what follows an offset, of an epoch
 * @param {number} offset
 * @param {number} epoch
 * @returns {Promise<StreamEvent>}
 */

const RETRY_MS = 1000;
const NOTHING = { length: 0, epoch: 0 };

export class TaskStream {
  #draw;
  #read;
  #tail;
  /** What is drawn. @type {StreamEnd} */
  #has = NOTHING;
  /** What is known to be there. @type {StreamEnd} */
  #wanted = NOTHING;
  #reading = false;
  #stopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} what comes meanwhile is read then */
  #retry;

  /**
   * @param {(text: string, isWhole: boolean) => void} draw gets text that follows the text before, or is the whole
   * @param {ReadStream} read
   * @param {number} tail bytes of the end that are read where more is missing: what is before them is left out
   */
  constructor(draw, read, tail = Infinity) {
    this.#draw = draw;
    this.#read = read;
    this.#tail = tail;
  }

  /**
   * Take in text as pushed. A gap before it is read.
   *
   * @param {StreamEvent} event
   */
  take(event) {
    const { offset, text, epoch } = event;
    const isNext = epoch === this.#has.epoch ? offset <= this.#has.length : offset === 0;
    if (isNext) this.#add(event);
    else this.reach({ length: offset + bytes(text).length, epoch });
  }

  /**
   * Read what is missing up to this end.
   *
   * @param {StreamEnd} end
   */
  reach(end) {
    if (isBefore(this.#wanted, end)) this.#wanted = end;
    if (this.#isBehind && !this.#reading && !this.#retry) void this.#catchUp();
  }

  /** Read no more. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
  }

  get #isBehind() {
    return !this.#stopped && isBefore(this.#has, this.#wanted);
  }

  /** @param {StreamEvent} event whose text begins at or before the end of what is drawn */
  #add({ offset, text, epoch }) {
    if (epoch < this.#has.epoch) return; // it has been cut back since
    const isWhole = epoch > this.#has.epoch;
    const data = bytes(text);
    const known = isWhole ? 0 : this.#has.length;
    if (!isWhole && offset + data.length <= known) return;
    const next = known > offset ? new TextDecoder().decode(data.subarray(known - offset)) : text;
    this.#has = { length: offset + data.length, epoch };
    this.#draw(next, isWhole);
  }

  /** Replace all that is drawn by this text. @param {StreamEvent} event */
  #replace({ offset, text, epoch }) {
    const end = { length: offset + bytes(text).length, epoch };
    if (!isBefore(this.#has, end)) return; // more has been pushed since
    this.#has = end;
    this.#draw(text, true);
  }

  async #catchUp() {
    this.#retry = undefined;
    this.#reading = true;
    try {
      while (this.#isBehind) {
        const before = this.#has;
        const { length, epoch } = this.#wanted;
        const skips = length - (epoch === before.epoch ? before.length : 0) > this.#tail;
        const found = await (skips ? this.#read(length - this.#tail, epoch) : this.#read(before.length, before.epoch));
        if (this.#stopped) return;
        if (skips) this.#replace(found);
        else this.#add(found);
        if (this.#has === before) this.#wanted = before; // there is no more
      }
    } catch {
      if (!this.#stopped) this.#retry = setTimeout(() => this.#catchUp(), RETRY_MS);
    } finally {
      this.#reading = false;
    }
  }
}

/** @param {StreamEnd} a @param {StreamEnd} b */
function isBefore(a, b) {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.length < b.length);
}

/** @param {string} text */
function bytes(text) {
  return new TextEncoder().encode(text);
}
